"""What rows read, and how latents are tinted: a method is a plan."""
