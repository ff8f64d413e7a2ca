"""The result of an evaluation: values with their spread, protocol and reference."""

from dataclasses import dataclass
from math import isfinite
from statistics import mean, stdev
from typing import Any

from scipy.stats import t


@dataclass(frozen=True)
class EvaluationResult:
    """Values by full name."""

    values: dict[str, float]  # means over the repeats
    spreads: dict[str, float]  # standard deviations of one set of samples; empty for a single set
    protocols: dict[str, dict[str, Any]]  # what must be equal for two values to be comparable
    real_halves: dict[str, float]  # values between two halves of the real images

    def record(self) -> dict[str, dict[str, Any]]:
        """Return the content of ``evaluation.json``, by names without the feature network, which protocols hold."""
        results: dict[str, dict[str, Any]] = {}
        for name, value in self.values.items():
            protocol = self.protocols[name]
            base, slash, task = name.partition("/")
            short = base.removesuffix(f"_{protocol['features']}") + slash + task if "features" in protocol else name
            results[short] = {"value": finite(value), "spread": finite(self.spreads.get(name)), "protocol": protocol}
            if name in self.real_halves:
                results[short]["real_halves"] = self.real_halves[name]
            if name in self.spreads:
                results[short]["confidence_95"] = interval(value, self.spreads[name], protocol["repeats"])
        return results

    def text(self, name: str) -> str:
        """Return a value for a table, ``12.34 +- 0.56``; empty if it was not measured."""
        spread = f" +- {self.spreads[name]:.2g}" if name in self.spreads else ""
        return f"{self.values[name]:.4g}{spread}" if name in self.values else ""


def finite(value: float | None) -> float | None:
    """Return a number for JSON: None if it is not finite."""
    return value if value is not None and isfinite(value) else None


def interval(value: float, spread: float, repeats: int) -> list[float | None]:
    """Return the 95 % confidence interval of a mean over independent sets of samples, by Student's t.

    It covers the draw of samples alone, not another seed of training or other real images.
    """
    reach = float(t.ppf(0.975, repeats - 1)) * spread / repeats**0.5
    return [finite(value - reach), finite(value + reach)]


def mean_and_spread(values: list[float]) -> tuple[float | None, float | None]:
    """Return mean and standard deviation of the finite values; None where there are too few."""
    known = [value for value in values if isfinite(value)]
    return mean(known) if known else None, stdev(known) if len(known) > 1 else None


def text(values: list[float]) -> str:
    """Format values of several models as ``0.123 +- 0.01``."""
    if not values:
        return ""
    value, spread = mean_and_spread(values)
    return ("nan" if value is None else f"{value:.4g}") + ("" if spread is None else f" +- {spread:.2g}")
