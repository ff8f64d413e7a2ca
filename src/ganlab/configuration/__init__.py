"""From a command line to a checked configuration."""

import sys
from importlib.util import find_spec
from pathlib import Path

for package in ("hydra", "omegaconf", "torch", "lightning"):
    if find_spec(package) is None:
        sys.exit(
            f"error: {sys.executable} has no {package}: activate the environment of this project with "
            "`source .venv/bin/activate`, or make it with `make setup` first"
        )

CONF = Path(__file__).parents[3] / "conf"
