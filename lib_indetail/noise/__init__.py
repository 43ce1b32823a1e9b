"""Noise levels, and latents at them: a picture's chain, channel statistics, what is no number."""
