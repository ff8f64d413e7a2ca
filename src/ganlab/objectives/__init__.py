"""Losses, penalties, regularisers, and differentiable augmentation."""
