"""A bench on which generators are measured: metrics, and the real images that they compare with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t
from tqdm import tqdm

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluation, Generating
from ganlab.report.grids import save_grid
from ganlab.runs.build import build_metrics


@dataclass
class Bench:
    """Metrics with their real images ready.

    Attributes:
        evaluation: what is measured.
        pack: the real images.
        repeats: sets of samples, of seeds that follow on each other.
        yardstick: values between two halves of the real images, by full name.
    """

    evaluation: Evaluation
    pack: Pack
    repeats: int
    yardstick: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        config: dict[str, Any],
        pack: Pack,
        device: torch.device,
        held_out: Callable[[], Pack | None] | None = None,
        split: str | None = None,
    ) -> "Bench":
        """Build the metrics of a configuration and show them the real images.

        Raises:
            UserError: ``held_out`` is None and a metric compares training with held-out images; or no metric is left.
        """
        evaluation = build_metrics(config, pack)
        if evaluation is None:
            raise UserError("metrics=none leaves nothing to evaluate: type metrics=[fid,swd]")
        if held_out is None and (torn := [n for n, m in evaluation.metrics.items() if hasattr(m, "asks")]):
            raise UserError(
                f"metrics=[{','.join(torn)}] compare training images with held-out ones, and find both by themselves: "
                "leave out split= and real="
            )
        evaluation.prepare_reals(pack, device, held_out, split)
        return cls(evaluation, pack, config["repeats"], evaluation.halves(pack, device))

    def measure(self, system: Generating, what: str) -> "Measured":
        """Take all metrics ``repeats`` times, with a progress bar named after ``what``."""
        evaluation, found = self.evaluation, list[dict[str, float]]()
        with tqdm(total=self.repeats * evaluation.count, desc=what, unit=" samples", disable=None) as bar:
            for repeat in range(self.repeats):
                before = repeat * evaluation.count
                found.append(
                    evaluation.measure(
                        system,
                        progress=lambda done, _, before=before: tick(bar, before + done),  # type: ignore[misc]
                        seed=evaluation.seed + repeat,
                    )
                )
        columns = {name: np.array([values[name] for values in found]) for name in found[0]}
        return Measured(
            {name: float(column.mean()) for name, column in columns.items()},
            {name: float(column.std(ddof=1)) for name, column in columns.items()} if self.repeats > 1 else {},
            evaluation.protocol(system) if self.repeats == 1 else self._repeated(system),
            self.yardstick,
        )

    def save_pictures(self, output: Path) -> list[Path]:
        """Write what metrics have drawn beside a file; returns where."""
        written = []
        for name, picture in self.evaluation.pictures.items():
            path = output.with_name(f"{output.stem}_{name}.png")
            save_grid(picture if picture.dim() == 4 else picture[None], path)
            written.append(path)
        return written

    def _repeated(self, system: Generating) -> dict[str, dict[str, Any]]:
        records = self.evaluation.protocol(system)
        return {name: record | {"repeats": self.repeats} for name, record in records.items()}


@dataclass(frozen=True)
class Measured:
    """Values by full name: their mean over the repeats, its spread where there were several, protocol, yardstick.

    Attributes:
        values: means.
        spreads: standard deviations of one set of samples; empty where there was but one set.
        protocols: what has to be equal for two values to be comparable.
        yardstick: what two halves of the real images give.
    """

    values: dict[str, float]
    spreads: dict[str, float]
    protocols: dict[str, dict[str, Any]]
    yardstick: dict[str, float]

    def record(self) -> dict[str, dict[str, Any]]:
        """Return what ``evaluation.json`` says, by names without that of the feature network, which protocols hold."""
        results: dict[str, dict[str, Any]] = {}
        for name, value in self.values.items():
            protocol = self.protocols[name]
            short = name.removesuffix(f"_{protocol['features']}") if "features" in protocol else name
            results[short] = {"value": number(value), "spread": number(self.spreads.get(name)), "protocol": protocol}
            if name in self.yardstick:
                results[short]["real_halves"] = self.yardstick[name]
            if name in self.spreads:
                results[short]["confidence_95"] = interval(value, self.spreads[name], protocol["repeats"])
        return results

    def text(self, name: str) -> str:
        """Return a value as a person reads it, ``12.34 +- 0.56``; nothing where it was not measured."""
        if name not in self.values:
            return ""
        spread = f" +- {self.spreads[name]:.2g}" if name in self.spreads else ""
        return f"{self.values[name]:.4g}{spread}"


def number(value: float | None) -> float | None:
    """Return a number as JSON can hold it: None for what is not finite."""
    return value if value is not None and isfinite(value) else None


def interval(value: float, spread: float, repeats: int) -> list[float | None]:
    """Return the 95 % confidence interval of a mean of independent sets of samples, by Student's t.

    It tells what the draw of samples leaves open, not what another seed of training or other real images would.
    """
    reach = float(t.ppf(0.975, repeats - 1)) * spread / repeats**0.5
    return [number(value - reach), number(value + reach)]


def tick(bar: tqdm, done: int) -> None:
    """Move a bar to ``done``."""
    bar.update(done - bar.n)


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn what the disk refuses into a ``UserError``."""
    try:
        yield
    except OSError as error:
        raise UserError(f"output={output} cannot be written: {error.strerror}") from error
