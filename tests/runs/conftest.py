"""One small trained run that several tests look at."""

from collections.abc import Callable
from pathlib import Path

import pytest

SMOKE = ("debug=smoke", "logger=none")
_trained: dict[str, Path] = {}


@pytest.fixture
def smoke(command: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished ``debug=smoke`` run, trained once; tests leave it as it is."""
    if "smoke" not in _trained:
        outputs = tmp_path_factory.mktemp("outputs")
        outcome = command("train", *SMOKE, f"outputs={outputs}", "run=smoke")
        assert outcome.code == 0, outcome.err
        (outputs / "smoke" / "console.txt").write_text(outcome.out)
        _trained["smoke"] = outputs / "smoke"
    return _trained["smoke"]
