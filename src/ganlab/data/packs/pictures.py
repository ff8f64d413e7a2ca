"""From picture files of any format to square uint8 arrays of one size."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from ganlab.arguments import Count, checked
from ganlab.errors import UserError

# Raster formats only: Pillow would pass a disguised EPS file to Ghostscript.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
ENDINGS = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tga", ".tif", ".tiff", ".webp"),
)
MODES = {1: "L", 3: "RGB"}
HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")  # from byte 4 on, whatever the file is called
# Bytes of a PNG's unpacked texts and colour profile: editors write many more than Pillow's 1 MB.
PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = 2**26, 2**28


class UnreadableImageError(Exception):
    """A picture cannot be decoded: its ``name``, and a ``reason`` of one line."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


class PictureFile(NamedTuple):
    """An encoded picture: a path or its bytes, and its name in error messages."""

    file: Path | IO[bytes]
    name: str


def decode(picture_file: PictureFile, least: tuple[int, int] | None = None) -> Image.Image:
    """Decode a picture file to 8-bit grey (mode L) or colour (RGB), upright, or raise ``UnreadableImageError``."""
    with opened(picture_file) as picture:
        if least is not None:
            picture.draft(None, least)  # JPEG: 1/2, 1/4 or 1/8, not below ``least``, (width, height) in pixels
        load_upright(picture)
        return flatten(picture)


@contextlib.contextmanager
def opened(picture_file: PictureFile) -> Iterator[Image.Image]:
    """Open a picture file for the block; what fails in the block raises ``UnreadableImageError``."""
    file, name = picture_file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata, which does not affect the pixels
            with Image.open(file, formats=FORMATS) as picture:
                yield picture
    except UnidentifiedImageError as error:
        with contextlib.suppress(OSError), file.open("rb") if isinstance(file, Path) else file as opened:
            opened.seek(4)
            if opened.read(8) in HEIC:
                raise UnreadableImageError(name, "in HEIC, for which there is no reader: convert to JPEG") from error
        raise UnreadableImageError(name, "not a picture of a known format") from error
    except Exception as error:  # decoders raise many types, not only OSError
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableImageError(name, reason.splitlines()[0]) from error


def load_upright(picture: Image.Image) -> None:
    """Decode the pixels, of the first frame of an animation, and turn them as the EXIF orientation says."""
    picture.load()
    with contextlib.suppress(Exception):  # a damaged EXIF block does not make the picture unreadable
        ImageOps.exif_transpose(picture, in_place=True)


def flatten(picture: Image.Image) -> Image.Image:
    """Convert any mode to L or RGB, transparency over white, 16 bits to 8; ``ValueError`` if the range is unknown."""
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


@checked
@dataclass(frozen=True)
class PictureProtocol:
    """How a picture becomes a square array."""

    image_size: Count  # side of the array, in pixels
    channels: Literal[1, 3]  # grey (ITU-R 601 weights) or RGB
    resize: Literal["lanczos", "bicubic", "bilinear", "box"] = "lanczos"  # kernel, antialiased
    crop: Literal["square", "none"] | Count = "square"  # largest centre square; the whole, squeezed; or pixels a side
    decode: Literal["exact", "fast"] = "exact"  # fast: JPEGs are scaled while they are decoded, see `decode`

    def __post_init__(self) -> None:
        if self.decode == "fast" and isinstance(self.crop, int):
            raise UserError(f"data.decode=fast changes what data.crop={self.crop} keeps: take data.decode=exact")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.image_size, self.image_size, self.channels

    def record(self) -> dict[str, Any]:
        crop = {"square": "centre square", "none": "none"}.get(str(self.crop), f"centre {self.crop} px")
        fast = {"decode": self.decode} if self.decode != "exact" else {}
        sizes = {"image_size": self.image_size, "channels": self.channels}
        return {"crop": crop, "resize": self.resize, **sizes, **fast}

    def prepare(self, picture: PictureFile | Image.Image | np.ndarray) -> np.ndarray:
        """Return a picture as uint8 of ``shape``; ``UnreadableImageError`` if it cannot be decoded."""
        if isinstance(picture, PictureFile):
            least = (self.image_size, self.image_size) if self.decode == "fast" else None
            picture = decode(picture, least)
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture.squeeze(2) if picture.shape[2:] == (1,) else picture)
        cropped = picture.crop(self.box(picture.size)).convert(MODES[self.channels])
        resized = cropped.resize((self.image_size, self.image_size), Image.Resampling[self.resize.upper()])
        return np.asarray(resized).reshape(self.shape)

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the crop of a picture of ``size`` (width, height): left, top, right, bottom in pixels."""
        width, height = size
        if self.crop == "none":
            return 0, 0, width, height
        side = min(width, height) if self.crop == "square" else min(int(self.crop), width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return left, top, left + side, top + side
