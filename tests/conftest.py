"""What all tests share: the commands, run in this process, and an environment without network or accounts."""

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1"}


@dataclass
class Outcome:
    """How a command ended: exit code and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of packs for all tests: the digits are packed once."""
    return tmp_path_factory.mktemp("packs")


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, packs: Path
) -> Callable[..., Outcome]:
    """Run ``python src/<name>.py <overrides>`` in this process, from an empty folder."""

    def run(name: str, *overrides: str) -> Outcome:
        script = ROOT / "src" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"entry_{name}", script)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        places = [] if name == "sample" or any(o.startswith("-") for o in overrides) else [f"packs={packs}"]
        monkeypatch.setattr(sys, "argv", [str(script), *places, *overrides])
        monkeypatch.chdir(tmp_path)
        capfd.readouterr()
        try:
            module.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
