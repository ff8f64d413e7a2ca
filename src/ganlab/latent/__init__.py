"""What a generator's latent space is like: walks, arithmetic, directions, each shown and scored."""
