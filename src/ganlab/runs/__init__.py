"""How a command becomes a run: entry points, checked configuration, run folders, loggers, sweeps."""

from omegaconf import OmegaConf

OmegaConf.register_new_resolver("length", len, replace=True)  # data.num_classes of a list of classes
