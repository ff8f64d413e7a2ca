"""What goes in: sources of pictures become packs, packs become batches."""
