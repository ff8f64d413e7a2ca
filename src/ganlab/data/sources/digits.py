"""The handwritten digits that are part of scikit-learn: real images without a download."""

from functools import cached_property
from typing import Any

import numpy as np

from ganlab.data.packs.source import Record, Source


class Digits(Source):
    """1,797 grey digits of 8x8 pixels, 17 levels scaled to 0..255 (UCI's optical recognition of digits, test split)."""

    name = "digits"
    classes = [str(digit) for digit in range(10)]
    content = "digits"
    in_memory = True

    def __len__(self) -> int:
        return 1797

    def fingerprint(self) -> dict[str, Any]:
        """Return the constant name of the set: an existing pack opens without importing scikit-learn."""
        return {"set": "sklearn.datasets.load_digits", "count": len(self)}

    def read(self, index: int) -> Record:
        images, digits = self._arrays
        return {"images": images[index], "labels": digits[index]}

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits  # takes a second; only a missing pack needs it

        digits = load_digits()
        return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target
