"""Exemplars of a concept: latents picked from a grid of samples, or selected by a classifier."""

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

AttributeClassifier = Callable[[Tensor], dict[str, Tensor]]  # uint8 (N, C, H, W) -> probabilities (N, values) by factor
Attributes = Mapping[str, int]  # value by factor, such as {"smile": 1}

BATCH = 256  # latents that are classified together


@dataclass(frozen=True)
class LatentGrid:
    """The latents behind a grid of samples."""

    latents: Tensor  # (N, latent_size), row by row as in the picture
    labels: Tensor | None  # (N,) classes; None for an unconditional generator
    columns: int  # of the picture

    def index(self, row: int, column: int) -> int:
        """Return the index of the sample in a row and column, both counted from 1; ``UserError`` outside the grid."""
        index = (row - 1) * self.columns + column - 1
        if row < 1 or not 1 <= column <= self.columns or index >= len(self.latents):
            rows = -(-len(self.latents) // self.columns)
            raise UserError(
                f"row {row}, column {column} is not in the grid of {len(self.latents)} samples: name rows from 1 to "
                f"{rows} and columns from 1 to {self.columns}"
            )
        return index

    def save(self, path: Path) -> None:
        """Write an .npz of ``latents``, ``columns`` and, for a conditional generator, ``labels``, atomically."""
        arrays: dict[str, Any] = {"latents": self.latents.cpu().numpy(), "columns": np.int64(self.columns)}
        if self.labels is not None:
            arrays["labels"] = self.labels.cpu().numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> "LatentGrid":
        """Read what `save` wrote; ``UserError`` for anything else."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                latents, columns = torch.from_numpy(arrays["latents"]), int(arrays["columns"])
                labels = torch.from_numpy(arrays["labels"]) if "labels" in arrays else None
            if latents.dim() != 2 or columns < 1 or (labels is not None and len(labels) != len(latents)):
                raise ValueError("shapes do not match")
        except FileNotFoundError as error:
            raise UserError(f"there are no latents {path}: sample.py writes them next to the grid") from error
        except Exception as error:  # numpy and zipfile raise many kinds for other files
            raise UserError(
                f"{path} does not hold the latents of a grid ({error}): give the .npz of sample.py"
            ) from error
        return cls(latents, labels, columns)


def read_exemplars(path: Path, names: tuple[str, ...] = (), sampler: Sampler | None = None) -> dict[str, Tensor]:
    """Return the latents (n, latent_size) of each concept in a JSON file of rows and columns, counted from 1.

    ``{"latents": "last_000100000_seed0.npz", "exemplars": {"smiling woman": [[3, 5], [4, 1], [8, 2]], ...}}``; the .npz
    lies in the folder of the JSON file. The concepts ``names`` must have equal numbers of exemplars, and the latents,
    and their class, must be those of the sampler's generator; anything else raises ``UserError``.
    """
    try:
        content = json.loads(path.read_text())
        grid = LatentGrid.load(path.parent / content["latents"])
        cells = {
            name: [(int(row), int(column)) for row, column in pairs] for name, pairs in content["exemplars"].items()
        }
    except OSError as error:
        raise UserError(f"exemplars {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{path} does not name exemplars ({error}): write {{"latents": "GRID.npz", "exemplars": '
            f'{{"CONCEPT": [[ROW, COLUMN], ...]}}}}'
        ) from error
    for name in (*names, *cells):
        if not cells.get(name):
            raise UserError(f"{path} names no exemplars of {name}: add their rows and columns")
    if len({len(cells[name]) for name in names}) > 1:
        counts = ", ".join(f"{len(cells[name])} of {name}" for name in names)
        raise UserError(f"{path} names unequal numbers of exemplars, {counts}: give the same number of each")
    chosen = {name: [grid.index(row, column) for row, column in pairs] for name, pairs in cells.items()}
    if sampler is not None:
        _require_same_generator(path, grid, sorted({i for indices in chosen.values() for i in indices}), sampler)
    return {name: grid.latents[indices] for name, indices in chosen.items()}


def _require_same_generator(path: Path, grid: LatentGrid, chosen: list[int], sampler: Sampler) -> None:
    """Raise ``UserError`` if the chosen samples of a grid are not what the sampler makes of their latents."""
    fix = "pick among this generator's samples, pick=PAGE.html"
    if (size := grid.latents.shape[1]) != (expected := sampler.network.latent_size):
        raise UserError(f"{path} names latents of {size} numbers, and the generator takes {expected}: {fix}")
    if grid.labels is None or (found := grid.labels[chosen].unique().tolist()) == [sampler.label]:
        return
    named = f"class{'es' if len(found) > 1 else ''} {', '.join(map(str, found))}"
    if sampler.label is None:
        raise UserError(f"{path} names samples of {named}, and the generator is unconditional: {fix}")
    fix = "name samples of one class" if len(found) > 1 else f"type label={found[0]}"
    raise UserError(f"{path} names samples of {named}, and class {sampler.label} is sampled: {fix}")


def least_probability(answers: Mapping[str, Tensor], attributes: Attributes) -> Tensor:
    """Return the smallest probability (N,) among those of the attributes; above 0.5 the classifier sees all of them."""
    for factor, value in attributes.items():
        if factor not in answers or not 0 <= value < answers[factor].shape[1]:
            known = ", ".join(f"{name} (0 to {table.shape[1] - 1})" for name, table in answers.items())
            raise ValueError(f"the classifier does not know {factor}={value}: choose from {known}")
    if not attributes:
        raise ValueError("no attributes are given: name a factor and its value")
    return torch.stack([answers[factor][:, value] for factor, value in attributes.items()]).amin(dim=0)


def choose_exemplars(
    sampler: Sampler,
    classifier: AttributeClassifier,
    attributes: Attributes,
    count: int,
    seed: int = 0,
    least: float = 0.9,
    most: int = 20_000,
) -> Tensor:
    """Return the first ``count`` latents (count, latent_size) whose images show the attributes.

    Each attribute needs a probability of ``least``; ``most`` latents are searched. The paper takes three per concept.
    ``UserError`` if too few are found.
    """
    found: list[Tensor] = []
    kept = searched = 0
    while kept < count:
        if searched >= most:
            what = ", ".join(f"{factor}={value}" for factor, value in attributes.items())
            raise UserError(
                f"only {kept} of {searched:,} samples show {what} with a probability of {least}, and {count} are "
                "needed: lower that probability, ask for fewer or for something else, or train longer"
            )
        latents = sampler.draw(BATCH, seed, searched)
        found.append(latents[(least_probability(classifier(sampler(latents)), attributes) >= least).cpu()])
        kept += len(found[-1])
        searched += BATCH
    return torch.cat(found)[:count]


def attribute_classifier(features: Any) -> AttributeClassifier:
    """Return the classifier of a `ClassifierFeatures`: images to the probabilities of each factor's values."""

    @torch.no_grad()
    def classify(images: Tensor) -> dict[str, Tensor]:
        return features.by_factor(features(images))

    return classify
