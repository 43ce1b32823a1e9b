"""Files and texts to pixels, as a browser would show them, and to the size of a generation."""
