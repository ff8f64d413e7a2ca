"""Picture files of any kind become square uint8 arrays of one size."""

import contextlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganlab.errors import UserError

# Raster formats only: Pillow would hand a disguised EPS file to Ghostscript.
FORMATS = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jp2": "JPEG2000",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tga": "TGA",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
KERNELS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
MODES = {1: "L", 3: "RGB"}


class UnreadableImageError(Exception):
    """One picture that cannot be decoded: which one (``name``) and why (``reason``, one line)."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason


def decode(file: Path | IO[bytes], name: str) -> Image.Image:
    """Decode a picture file to 8-bit grey (mode L) or colour (RGB), upright, transparency over white.

    16-bit grey is scaled to 8 bits; of an animation the first frame counts.

    Raises:
        UnreadableImageError: the file is missing, broken, no raster picture, or has pixels without an agreed range.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow grumbles about odd metadata; the pixels are none the worse
            with Image.open(file, formats=sorted(set(FORMATS.values()))) as picture:
                picture.load()
                with contextlib.suppress(Exception):  # a garbled EXIF block does not spoil the picture
                    ImageOps.exif_transpose(picture, in_place=True)
                return flatten(picture)
    except UnidentifiedImageError as error:
        raise UnreadableImageError(name, "not a picture of a known format") from error
    except Exception as error:  # decoders raise whatever their parsers stumble on, not only OSError
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableImageError(name, reason.splitlines()[0]) from error


def flatten(picture: Image.Image) -> Image.Image:
    """Bring any Pillow mode to L or RGB without clipping; ``ValueError`` where the range of pixels is unknown."""
    if picture.mode.startswith("I"):
        grey = np.asarray(picture).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("32-bit pixels beyond 0..65535")
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


@dataclass(frozen=True)
class PictureProtocol:
    """How a picture becomes an array: the centre square, resized with an antialiasing kernel of Pillow.

    Channels are 1 (grey, ITU-R 601 weights) or 3 (RGB).
    """

    image_size: int
    channels: int
    resize: str = "lanczos"

    def __post_init__(self) -> None:
        if not isinstance(self.image_size, int) or self.image_size < 1:
            raise UserError(f"data.image_size={self.image_size} is no size in pixels: take a whole number such as 64")
        if self.channels not in MODES:
            raise UserError(f"data.channels={self.channels} is not possible: take 1 (grey) or 3 (colour)")
        if self.resize not in KERNELS:
            raise UserError(f"data.resize={self.resize} is not known: take one of {', '.join(KERNELS)}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one prepared picture."""
        return self.image_size, self.image_size, self.channels

    def record(self) -> dict[str, Any]:
        """Return what a pack states about its pictures."""
        return {
            "crop": "centre square",
            "resize": self.resize,
            "image_size": self.image_size,
            "channels": self.channels,
        }

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return ``picture`` (mode L or RGB) as uint8 of ``shape``."""
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).convert(MODES[self.channels])
        resized = square.resize((self.image_size, self.image_size), KERNELS[self.resize])
        return np.asarray(resized).reshape(self.shape)
