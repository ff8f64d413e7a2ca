"""Any TorchScript file as a feature network."""

import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import ColourFeatures
from ganlab.metrics.extractors.resizing import DESCRIPTIONS, clean_bicubic
from ganlab.metrics.extractors.weights import first_line, read_weights


class TorchScriptFeatures(ColourFeatures):
    """Output (N, D) of a TorchScript module for images (N, 3, H, W); named ``torchscript_FILE``.

    Loading it unpickles nothing, but the file is a program: take it from people whom you trust.
    """

    def __init__(
        self,
        weights: Path,
        range: str | list[float],  # of its input: ``uint8``, or the floats of black and white, such as [-1, 1]
        size: int | list[int] | None,  # of its input (height, width), resized to as by clean-fid; None: as they are
        arguments: Mapping[str, Any],  # further keyword arguments of its forward, such as ``return_features``
        image: tuple[int, int, int],  # channels, height and width of the images, to test the module with
    ) -> None:
        content = read_weights(weights)
        super().__init__(content)
        self.name = "torchscript_" + re.sub(r"[^\w.-]+", "_", weights.stem)
        self.range, self.size, self.arguments = _range(range), _size(size), dict(arguments)
        self.resize = "none" if self.size is None else f"{DESCRIPTIONS['clean']}, to {self.size[1]}x{self.size[0]}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated, its files are still in use
                self.network = torch.jit.load(io.BytesIO(content), map_location="cpu")
        except RuntimeError as reason:
            message = f"{weights} is no TorchScript file ({first_line(reason)}); save one by torch.jit"
            raise UserError(message) from reason
        self.requires_grad_(False).eval()
        self.bind(*image)
        try:
            found = self(torch.zeros(2, *image, dtype=torch.uint8))
        except (RuntimeError, torch.jit.Error) as reason:
            lines = [line for line in str(reason).strip().splitlines() if line.strip()]
            raise UserError(
                f"{weights} cannot take images of {image[2]}x{image[1]} ({lines[-1].strip()}); "
                "set features.torchscript.range, size or arguments as it needs them"
            ) from reason
        self.num_features = found.shape[1]

    def extract(self, images: Tensor) -> Tensor:
        pixels = images if self.size is None else clean_bicubic(images, self.size)
        if self.range is None:
            pixels = pixels if pixels.dtype == torch.uint8 else pixels.round().to(torch.uint8)
        else:
            low, high = self.range
            pixels = pixels.float() / 255 * (high - low) + low
        with torch.jit.optimized_execution(False):  # the third batch would be computed differently
            found = self.network(pixels.contiguous(), **self.arguments)
        if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(images):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"features.weights={self.name} gives {shape} for {len(images)} images, not (N, features)")
        return found.float()

    def protocol(self) -> dict[str, Any]:
        wanted = "uint8" if self.range is None else list(self.range)
        return {**super().protocol(), "range": wanted, "arguments": self.arguments}


def _range(wanted: str | list[float]) -> tuple[float, float] | None:
    if wanted == "uint8":
        return None
    if isinstance(wanted, list) and len(wanted) == 2 and all(isinstance(end, int | float) for end in wanted):
        return wanted[0], wanted[1]
    raise UserError(f"features.torchscript.range={wanted} is not a range; type uint8, or black and white as [-1,1]")


def _size(wanted: int | list[int] | None) -> tuple[int, int] | None:
    sides = [wanted, wanted] if isinstance(wanted, int) else wanted
    if sides is None:
        return None
    if isinstance(sides, list) and len(sides) == 2 and all(isinstance(side, int) and side > 0 for side in sides):
        return sides[0], sides[1]
    raise UserError(f"features.torchscript.size={wanted} is not a size; type a number, [HEIGHT,WIDTH] or null")
