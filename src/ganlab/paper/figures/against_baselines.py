"""Completions and translations of held-out pictures against the trivial baselines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.data.module import ImageDataModule
from ganlab.data.references import Reference
from ganlab.errors import UserError
from ganlab.metrics.baselines import completions, pixel_errors, translations
from ganlab.paper.figure import Figure, FigureInputs, FigureResult
from ganlab.paper.record import mean_and_spread
from ganlab.systems.family import Family
from ganlab.systems.request import BLOCK, Request


@checked
@dataclass
class AgainstBaselines(Figure):
    """L1, L2 and PSNR of a system and of what needs no network, for each of its tasks.

    Of completions in the hole; of translations on all pixels, and in the region that drawn pictures name.
    """

    train: Count | None  # training pictures that baselines see; None: all
    test: Count | None  # test pictures; None: all
    rows: dict[str, str] = field(default_factory=dict, init=False)  # names in the table by those of the scores

    title = "completions and translations against trivial baselines"
    systems: ClassVar = Family
    differs: ClassVar = ("all baselines but identity and histogram know the truth of training pictures",)

    def make(self, inputs: FigureInputs) -> FigureResult:
        training, tested, system = inputs.data(None), inputs.held_out_data(), inputs.model.system
        result = FigureResult()
        for task in system.tasks():
            known, asked = training.reference(task), tested.reference(task)
            count = min(self.test or asked.count, asked.count)
            given = asked.shown(np.arange(count))
            if "targets" not in given:
                raise UserError(
                    f"{training.packs[0].manifest['source']} does not know the truth: take pairs or day_night"
                )
            ours = answered(system, given, inputs.seed, task)
            made = {"ours": ours} | self.baselines(training, known, given)
            hole = "masks" in training.inputs.entries
            regions = {"": given["masks"] if hole else None}
            if not hole and "masks" in given:
                regions["_region"] = given["masks"]
            for where, region in regions.items():
                for name, pictures in made.items():
                    key = f"{name}{where}{task and '_'}{task}"
                    self.rows[key] = " ".join([name, *([f"({where[1:]})"] if where else []), task]).strip()
                    for measure, value in pixel_errors(pictures, given["targets"], region).items():
                        result.scores[f"{measure}_{key}"] = value
            result.remarks.append(f"{task or 'all'}: {count:,} held-out pictures")
            inputs.save_partial(result)
        return result

    def baselines(self, training: ImageDataModule, known: Reference, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what each baseline makes of the inputs of held-out pictures."""
        made = training.inputs
        if "masks" in made.entries:
            holes = given["masks"][:, 0].bool()
            rim = made.make(given["targets"].permute(0, 2, 3, 1), holes).get("rim", torch.zeros_like(holes))
            return completions(
                channels_first(training.pack.images[: self.train]), given["inputs"], (holes & ~rim)[:, None]
            )
        pairs = known.shown(np.arange(min(self.train or known.count, known.count)))
        reals = channels_first(known.reals.images[: self.train])
        return translations(pairs["inputs"], pairs["targets"], given["inputs"], reals)

    def layout(self, score: Callable[..., str]) -> list[list[str]]:
        rows = [
            [name, score(f"l1_{key}"), score(f"l1_{key}", doubled), score(f"l2_{key}"), score(f"psnr_{key}", decibels)]
            for key, name in self.rows.items()
        ]
        return [["", "L1", "L1 in [-1, 1]", "L2", "PSNR"], *rows]


def answered(system: Family, given: dict[str, Tensor], seed: int, task: str = "") -> Tensor:
    """Return a system's pictures, uint8 (N, C, H, W), for inputs and, if there are some, masks of a reference."""
    if system.learns_from == ("images",):
        raise UserError("checkpoint= generates pictures from noise: give one that turns pictures into pictures")
    count = len(given["inputs"])
    request = Request(torch.arange(count), inputs=given["inputs"], masks=given.get("masks"))
    parts = [request.rows(slice(start, start + BLOCK)) for start in range(0, count, BLOCK)]
    return torch.cat([system.respond(part, seed, task).cpu() for part in parts])


def doubled(values: list[float]) -> str:
    """Format L1 of pixels in [0, 1] as that of pixels in [-1, 1]."""
    value, _ = mean_and_spread(values)
    return "-" if value is None else f"{2 * value:.4f}"


def decibels(values: list[float]) -> str:
    """Format PSNR."""
    value, _ = mean_and_spread(values)
    return "-" if value is None else f"{value:.2f} dB"
