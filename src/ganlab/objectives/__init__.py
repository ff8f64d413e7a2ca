"""What each player wants: losses, penalties and the augmentation that the discriminator sees through."""
