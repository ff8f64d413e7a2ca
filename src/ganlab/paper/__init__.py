"""The figures and tables of the DCGAN paper, made from checkpoints, scored, and set beside the paper's own."""
