"""The embedded model: a small latent-diffusion checkpoint and everything that makes, loads and measures it."""
