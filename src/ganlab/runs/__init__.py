"""How a command becomes a run: entry points, checked configuration, run folders, loggers, sweeps."""

from omegaconf import OmegaConf

# data.num_classes of a list of classes; null where it is empty
OmegaConf.register_new_resolver("length", lambda names: len(names or ()) or None, replace=True)
