"""Pictures for the tests: small, made here, never fetched."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Thirty PNG files of odd sizes in two classes."""
    root = tmp_path / "photos"
    for number in range(30):
        height, width = 9 + number % 7, 11 + number % 5
        path = root / ("cat", "dog")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return root
