"""One file a figure or table of the DCGAN paper."""
