"""Makes all pictures of README and docs: `python -m illustrations`."""
