"""Record of what a run was made with: code, versions, machine, command."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

import ganlab
from ganlab.files import read_json

PACKAGES = ("torch", "torchvision", "lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy", "pillow")


def describe(overrides: Sequence[str], run_id: str, pack: str) -> dict[str, Any]:
    """Return the record of one start of a run."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", sys.argv[0], *overrides]),
        "folder": os.getcwd(),
        "overrides": list(overrides),
        "run_id": run_id,
        "pack": pack,
        "git": _git(),
        "versions": {"ganlab": ganlab.__version__, "python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "machine": {"platform": platform.platform(), "processor": platform.processor(), "gpus": gpus},
    }


def new_run_id(environment: Path) -> str:
    """Return the W&B id of a run: that of its first start, or a new one."""
    starts = earlier_starts(environment)
    return str(starts[0]["run_id"]) if starts else uuid4().hex[:8]


def earlier_starts(environment: Path) -> list[dict[str, Any]] | None:
    """Return the records in ``environment.json``; None where there is no such file, or a damaged one."""
    starts = read_json(environment, list)
    return starts if starts and all(isinstance(start, dict) and "run_id" in start for start in starts) else None


def _git() -> dict[str, Any] | None:
    """Return the commit and whether files were changed since; None outside a git checkout."""
    root = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.stdout.strip(), "changed": bool(status.stdout.strip())}
