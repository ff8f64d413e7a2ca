"""ganlab: DCGAN and its family, trained, measured and explained with PyTorch Lightning and Hydra."""

__version__ = "0.1.0"
