"""The figures and tables of the DCGAN paper, made from checkpoints and scored against the paper."""
