"""A single picture as training data."""

from pathlib import Path

import numpy as np

from ganlab.arguments import checked
from ganlab.data.packs.pictures import PictureFile, UnreadableImageError, decode
from ganlab.errors import UserError

LEAST = 25  # pixels of the shorter side of SinGAN's coarsest scale


@checked
class ImageFile:
    """One picture of at least 25 pixels a side: ``pixels``, uint8 (H, W, 3), transparency over white."""

    pictures = ("image",)

    def __init__(self, *, file: str) -> None:
        path = Path(file).expanduser()
        try:
            self.pixels = np.asarray(decode(PictureFile(path, str(path))).convert("RGB"))
        except UnreadableImageError as error:
            raise UserError(f"data.file={file} cannot be read ({error.reason}): set data.file to a picture") from error
        height, width = self.pixels.shape[:2]
        if min(height, width) < LEAST:
            raise UserError(f"data.file={file} has {width}x{height} pixels: take a picture of at least {LEAST} a side")
