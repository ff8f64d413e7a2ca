"""Trains the networks of test_adversarial on some processes and saves the weights: two_processes.py COUNT FOLDER.

Beside them, how many bytes of gradients went to the other processes.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("test_adversarial.py"))
assert spec and spec.loader
tiny: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)


class Shares:
    """This rank's share of every batch of the single process."""

    def __init__(self, system: Any) -> None:
        self.system = system

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        trainer = self.system.trainer
        for batch in tiny.Reals(self.system):
            yield {"images": batch["images"].chunk(trainer.world_size)[trainer.global_rank]}


def main(devices: int, folder: Path) -> None:
    """Train each update rule, once with accumulation, and save what came out."""
    from ganlab.callbacks.stop import StopAtImages
    from ganlab.runs.build import build_trainer

    rules = {"sequential": tiny.sequential(), "alternating": tiny.alternating(), "simultaneous": tiny.simultaneous()}
    config = {
        "trainer": {"accelerator": "cpu", "devices": devices, "num_nodes": 1, "strategy": "auto", "plugins": None}
    }
    exchanged, all_reduce = [0], torch.distributed.all_reduce

    def counting(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        exchanged[0] += tensor.nbytes
        return all_reduce(tensor, *args, **kwargs)

    torch.distributed.all_reduce = counting
    for name, rule in rules.items():
        exchanged[0] = 0
        system = tiny.make(rule, half_life=100.0, accumulate=2 if name == "sequential" else 1)
        trainer = build_trainer(config, [StopAtImages(48 * tiny.BATCH)], [])
        trainer.fit(system, train_dataloaders=Shares(system))
        if trainer.is_global_zero:
            torch.save(system.state_dict(), folder / f"{name}-{devices}.pt")
            (folder / f"{name}-{devices}.bytes").write_text(str(exchanged[0]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]))
