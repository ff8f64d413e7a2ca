"""Which of the processes of a distributed run this one is."""

import os


def rank() -> int:
    """Return this process's global rank before any process group exists; 0 where there is only one process."""
    for variable in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if variable in os.environ:
            return int(os.environ[variable])
    return 0
