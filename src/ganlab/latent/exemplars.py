"""Choosing exemplars of a concept: by place in a grid of samples, or by a classifier's answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.files import atomic_write
from ganlab.latent.sampler import Sampler

Judge = Callable[[Tensor], dict[str, Tensor]]  # uint8 images (N, C, H, W) to probabilities (N, values) by factor
Wanted = Mapping[str, int]  # value by factor

DRAWN = 256  # latents judged together


@dataclass(frozen=True)
class Sheet:
    """The latents behind a grid of samples.

    Attributes:
        latents: (N, latent_size), row by row as in the picture.
        labels: (N,) classes; None for a generator without.
        columns: of the picture.
    """

    latents: Tensor
    labels: Tensor | None
    columns: int

    def index(self, row: int, column: int) -> int:
        """Return the number of the sample in ``row`` and ``column``, both counted from 1.

        Raises:
            UserError: there is no such place.
        """
        index = (row - 1) * self.columns + column - 1
        if row < 1 or not 1 <= column <= self.columns or index >= len(self.latents):
            rows = -(-len(self.latents) // self.columns)
            raise UserError(
                f"row {row}, column {column} is not in the grid of {len(self.latents)} samples: name rows from 1 to "
                f"{rows} and columns from 1 to {self.columns}"
            )
        return index

    def save(self, path: Path) -> None:
        """Write it as an .npz of ``latents``, ``columns`` and, where there are, ``labels``; whole or not at all."""
        arrays: dict[str, Any] = {"latents": self.latents.cpu().numpy(), "columns": np.int64(self.columns)}
        if self.labels is not None:
            arrays["labels"] = self.labels.cpu().numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Sheet":
        """Read what `save` wrote; ``UserError`` for anything else."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                latents, columns = torch.from_numpy(arrays["latents"]), int(arrays["columns"])
                labels = torch.from_numpy(arrays["labels"]) if "labels" in arrays else None
        except FileNotFoundError as error:
            raise UserError(f"there are no latents {path}: sample.py writes them beside the grid") from error
        except Exception as error:  # numpy and zipfile raise many kinds for files of other kinds
            raise UserError(
                f"{path} does not hold the latents of a grid ({error}): give the .npz of sample.py"
            ) from error
        if latents.dim() != 2 or columns < 1 or (labels is not None and len(labels) != len(latents)):
            raise UserError(f"{path} does not hold the latents of a grid: give the .npz of sample.py")
        return cls(latents, labels, columns)


def read_exemplars(path: Path, names: tuple[str, ...] = (), sampler: Sampler | None = None) -> dict[str, Tensor]:
    """Return the latents (n, latent_size) of each concept that a JSON names by rows and columns, counted from 1.

    ``{"latents": "last_000100000_seed0.npz", "exemplars": {"smiling woman": [[3, 5], [4, 1], [8, 2]], ...}}``; the
    .npz is looked for beside the JSON.

    Args:
        path: of the JSON.
        names: concepts that it must have, with as many exemplars each.
        sampler: what is to show them; None: anything.

    Raises:
        UserError: no such file, other content, a place outside the grid, a concept that is missing or has more
            exemplars than another, or samples of another generator or class than the sampler shows.
    """
    try:
        content = json.loads(path.read_text())
        sheet = Sheet.load(path.parent / content["latents"])
        places = {
            name: [(int(row), int(column)) for row, column in cells] for name, cells in content["exemplars"].items()
        }
    except OSError as error:
        raise UserError(f"exemplars {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{path} does not name exemplars ({error}): write {{"latents": "GRID.npz", "exemplars": '
            f'{{"CONCEPT": [[ROW, COLUMN], ...]}}}}'
        ) from error
    for name in (*names, *places):
        if not places.get(name):
            raise UserError(f"{path} names no exemplars of {name}: add their rows and columns")
    if len({len(places[name]) for name in names}) > 1:
        counts = ", ".join(f"{len(places[name])} of {name}" for name in names)
        raise UserError(f"{path} names unequal numbers of exemplars, {counts}: give each as many")
    chosen = {name: [sheet.index(row, column) for row, column in cells] for name, cells in places.items()}
    if sampler is not None:
        _require_shown(path, sheet, sorted({index for indices in chosen.values() for index in indices}), sampler)
    return {name: sheet.latents[indices] for name, indices in chosen.items()}


def _require_shown(path: Path, sheet: Sheet, chosen: list[int], sampler: Sampler) -> None:
    """Raise ``UserError`` where the chosen samples of a sheet are not what a sampler shows of their latents."""
    anew = "pick among this generator's samples, pick=PAGE.html"
    if (size := sheet.latents.shape[1]) != (wanted := sampler.network.latent_size):
        raise UserError(f"{path} names latents of {size} numbers, and the generator takes {wanted}: {anew}")
    if sheet.labels is None or (found := sheet.labels[chosen].unique().tolist()) == [sampler.label]:
        return
    named = f"class{'es' if len(found) > 1 else ''} {', '.join(map(str, found))}"
    if sampler.label is None:
        raise UserError(f"{path} names samples of {named}, and the generator knows no classes: {anew}")
    mend = "name samples of one class" if len(found) > 1 else f"type label={found[0]}"
    raise UserError(f"{path} names samples of {named}, and class {sampler.label} is shown: {mend}")


def certainty(answers: Mapping[str, Tensor], wanted: Wanted) -> Tensor:
    """Return the least probability (N,) among the wanted values; above 0.5 each is the answer of its factor.

    Raises:
        ValueError: a factor or a value that the classifier does not know, or nothing wanted.
    """
    for factor, value in wanted.items():
        if factor not in answers or not 0 <= value < answers[factor].shape[1]:
            known = ", ".join(f"{name} (0 to {table.shape[1] - 1})" for name, table in answers.items())
            raise ValueError(f"{factor}={value} is nothing that the classifier tells: take of {known}")
    if not wanted:
        raise ValueError("nothing is wanted: name a factor and its value")
    return torch.stack([answers[factor][:, value] for factor, value in wanted.items()]).amin(dim=0)


def choose_exemplars(
    sampler: Sampler, judge: Judge, wanted: Wanted, count: int, seed: int = 0, least: float = 0.9, most: int = 20_000
) -> Tensor:
    """Return the first ``count`` latents (count, latent_size) whose images show all that is wanted.

    Args:
        sampler: of the images that are judged.
        judge: the classifier, such as `judge_of` one.
        wanted: value by factor.
        count: of exemplars; three a concept in the paper.
        seed: of the latents looked through.
        least: probability that each wanted value needs.
        most: latents looked through.

    Raises:
        UserError: fewer are found.
    """
    found: list[Tensor] = []
    kept = looked = 0
    while kept < count:
        if looked >= most:
            what = ", ".join(f"{factor}={value}" for factor, value in wanted.items())
            raise UserError(
                f"only {kept} of {looked:,} samples show {what} with a probability of {least}, and {count} are asked "
                "for: lower that probability, ask for fewer or for something else, or train longer"
            )
        latents = sampler.draw(DRAWN, seed, looked)
        found.append(latents[(certainty(judge(sampler(latents)), wanted) >= least).cpu()])
        kept += len(found[-1])
        looked += DRAWN
    return torch.cat(found)[:count]


def judge_of(classifier: Any) -> Judge:
    """Return a `ClassifierFeatures` as a `Judge`: the probabilities of each factor's values."""

    @torch.no_grad()
    def judge(images: Tensor) -> dict[str, Tensor]:
        return classifier.by_factor(classifier(images))

    return judge
