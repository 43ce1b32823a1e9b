"""A generation with image prompts, from what is asked for to the last latent, in whatever host it runs."""
