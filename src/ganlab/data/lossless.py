"""Picture files with what they hold: grey or colour, 8 or 16 bits, transparency; and the same written as PNG."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganlab.data.packs.pictures import MODES, PictureFile, load_upright, opened
from ganlab.images import Range, to_bytes, to_floats

DEEPEST = 65535  # of 16 bits; 257 times the 255 of 8


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        pixels: of mode L or RGB with 8 bits, or of mode F: grey with 16 bits, scaled to 0..255.
        alpha: of mode L; None if the file has no transparency, or 16 bits.
    """

    pixels: Image.Image
    alpha: Image.Image | None = None

    @property
    def deep(self) -> bool:
        return self.pixels.mode == "F"

    def with_alpha(self) -> Image.Image:
        """Return the pixels together with their transparency."""
        if self.alpha is None:
            return self.pixels
        return Image.merge(f"{self.pixels.mode}A", (*self.pixels.split(), self.alpha))

    def resized(self, size: tuple[int, int]) -> "Picture":
        """Return the picture squeezed to (width, height) by Pillow's bicubic kernel."""
        alpha = self.alpha.resize(size, Image.Resampling.BICUBIC) if self.alpha else None
        return Picture(self.pixels.resize(size, Image.Resampling.BICUBIC), alpha)

    def to_network(self, channels: int, value_range: Range) -> Tensor:
        """Return floats (1, channels, H, W): colour becomes grey by ITU-R 601, grey is repeated."""
        pixels = self.pixels if self.deep else self.pixels.convert(MODES[channels])
        values = torch.from_numpy(np.array(pixels)).reshape(1, pixels.height, pixels.width, -1)
        return to_floats(values, value_range).expand(-1, channels, -1, -1)


def read(file: PictureFile) -> Picture:
    """Decode a picture file, or raise ``UnreadableImageError``, for 16-bit colour as well."""
    with opened(file) as picture:
        if stores_deep_colour(picture):
            raise ValueError("16 bits a channel in colour, of which 8 can be read: convert it to 8 bits")
        load_upright(picture)
        if picture.mode == "F":
            raise ValueError("floating-point pixels have no agreed range")
        if picture.mode.startswith("I"):
            grey = np.asarray(picture).astype(np.float32)
            if grey.min() < 0 or grey.max() > DEEPEST:
                raise ValueError("32-bit pixels beyond 0..65535")
            return Picture(Image.fromarray(grey / 257))
        mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
        if not picture.has_transparency_data:
            return Picture(picture.convert(mode))
        held = picture.convert("LA" if mode == "L" else "RGBA")
        return Picture(Image.merge(mode, held.split()[:-1]), held.getchannel("A"))


def stores_deep_colour(picture: Image.Image) -> bool:
    """Whether a file that was opened, and not yet loaded, has colour of 16 bits, which Pillow cuts to 8 silently."""
    for tile in getattr(picture, "tile", []):
        arguments: Any = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        most = arguments[-1] if tile[0].startswith("ppm") else 0  # of a PPM file
        if ";16" in str(arguments[0]) or most > 255:
            return not picture.mode.startswith("I")
    return False


def as_image(values: Tensor, value_range: Range, original: Picture, grey: bool = False) -> Image.Image:
    """Return floats (1, 1 or 3, H, W) as an image to be saved.

    One channel has 16 bits where the original has. Transparency is that of the original.

    Args:
        values: in ``value_range``.
        value_range: of the values.
        original: what they were made from, of the same height and width.
        grey: whether colour becomes grey (ITU-R 601) where the original is.

    Raises:
        ValueError: colour from an original of 16 bits.
    """
    low, high = value_range
    if original.deep:
        if values.shape[1] != 1:
            raise ValueError("16 bits, and the network makes colour, which is written with 8: convert it to 8 bits")
        scaled = (values[0, 0] - low) * (DEEPEST / (high - low))
        return Image.fromarray(scaled.round().clamp(0, DEEPEST).numpy().astype(np.uint16))
    pixels = to_bytes(values, value_range)[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    if grey and original.pixels.mode == "L":
        image = image.convert("L")
    if original.alpha is not None:
        image.putalpha(original.alpha)
    return image
