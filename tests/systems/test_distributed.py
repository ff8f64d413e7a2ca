import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the states of 48 minibatches of each rule, on one process and on two."""
    folder = tmp_path_factory.mktemp("distributed")
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2] / "src")}
    runs = [
        subprocess.Popen([sys.executable, SCRIPT, str(n), folder], env=environment, stderr=subprocess.PIPE, text=True)
        for n in (1, 2)
    ]
    for run in runs:
        _, errors = run.communicate(timeout=240)
        assert run.returncode == 0, errors
    return folder


@pytest.mark.parametrize("rule", ["sequential", "alternating", "simultaneous"])
def test_two_processes_equal_one_with_the_same_global_batch(trained: Path, rule: str) -> None:
    one, two = (torch.load(trained / f"{rule}-{count}.pt", weights_only=True) for count in (1, 2))
    assert one["clock._extra_state"] == two["clock._extra_state"]
    assert one["clock._extra_state"]["images_seen"] == 48 * 8
    tensors = [name for name, value in one.items() if isinstance(value, torch.Tensor)]
    assert any(name.startswith("averages.generator") for name in tensors)
    for name in tensors:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["sequential", "alternating", "simultaneous"])
def test_each_step_of_a_player_exchanges_its_gradients_once(trained: Path, rule: str) -> None:
    state = torch.load(trained / f"{rule}-2.pt", weights_only=True)
    wanted = sum(
        steps * sum(value.nbytes for name, value in state.items() if is_weight(name, player))
        for player, steps in state["clock._extra_state"]["steps"].items()
    )
    assert int((trained / f"{rule}-2.bytes").read_text()) == wanted
    assert int((trained / f"{rule}-1.bytes").read_text()) == 0


def is_weight(name: str, player: str) -> bool:
    return name.startswith(f"networks.{player}.") and name.endswith((".weight", ".bias"))
