"""From a picture's clean latent to noised latents, one for every noise level."""
