"""Does the image prompt's detail come through, and what of the text is left? With numbers, beside the peers."""
