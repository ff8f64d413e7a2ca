"""Folders of images, real or instead of samples, with unchanged pixels."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganlab.configuration.commands import command
from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack, build
from ganlab.data.packs.pictures import MODES, PictureFile, PictureProtocol, UnreadableImageError, decode
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError
from ganlab.systems.request import Request


@dataclass(frozen=True)
class Unchanged(PictureProtocol):
    """Images of one size with unchanged pixels, ``image_size`` being their width; other sizes are refused."""

    height: int = 0
    key: str = ""
    fix: str = ""  # the command that makes all of one size

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.image_size, self.channels

    def record(self) -> dict[str, Any]:
        return {"crop": "none", "resize": "none", "shape": list(self.shape)}

    def prepare(self, picture: PictureFile | Image.Image | np.ndarray) -> np.ndarray:
        assert isinstance(picture, PictureFile)
        decoded = decode(picture)
        size, mode = (self.image_size, self.height), MODES[self.channels]
        if decoded.size != size or (mode == "L" and decoded.mode != "L"):
            what = "x".join(map(str, decoded.size)) if decoded.size != size else "in colour"
            others = f"{self.image_size}x{self.height}" if decoded.size != size else "grey"
            raise UserError(
                f"{self.key}: {picture.name} is {what} and the images before it are {others}; resize all: "
                f"{self.fix}, and {self.key}=PACK"
            )
        return np.asarray(decoded.convert(mode)).reshape(self.shape)  # repeats a grey one's channel among colour


def open_images(key: str, folder: str, packs: Path, shape: tuple[int, int, int] | None = None) -> Pack:
    """Return the pack in a folder, or a new pack in ``packs`` of the images in it, which must have one size.

    If all images are in sub-folders, these are their classes. ``key``, for messages, is ``generated`` or ``real``;
    ``shape`` (H, W, C), for messages too, is that of the samples to compare them with.
    """
    place = Path(folder).expanduser()
    if (place / "pack.json").is_file():
        return Pack.open(place)
    try:
        source = Folder(str(place))
        first = decode(PictureFile(source.root / source.files[0], source.files[0]))
    except UserError as error:
        raise UserError(str(error).replace("data.root", key)) from error
    except UnreadableImageError as error:
        raise UserError(f"{key}={folder}: {error.name} cannot be read ({error.reason}): remove it") from error
    side, channels = shape[1:] if shape else (min(first.size), 3)
    sizes = {"data.root": place, "data.image_size": side, "data.channels": channels}
    fix = command("prepare", "data=folder", **sizes) + (", as the samples have" if shape else "")
    protocol = Unchanged(first.width, 1 if first.mode == "L" else 3, height=first.height, key=key, fix=fix)
    return build(source, protocol, packs, max_broken=0)


def require_equal_sizes(generated: Pack, real: Pack) -> None:
    """Raise ``UserError`` if images of the two differ in size or channels."""
    first, second = (pack.images.shape[1:] for pack in (generated, real))
    if first != second:
        sizes = [f"{width}x{height}x{channels}" for height, width, channels in (first, second)]
        side, channels = min(*first[:2], *second[:2]), min(first[2], second[2])
        raise UserError(
            f"generated images are {sizes[0]} and real ones {sizes[1]}: resize the larger ones: "
            f"python src/prepare.py data=folder data.root=FOLDER data.image_size={side} "
            f"data.channels={channels}, and give that pack's folder"
        )


class PackImages:
    """The images of a pack instead of a generator's samples, in an order drawn from the seed.

    Labels are used if ``classes``, the names of the real images' classes, are those of the pack.
    """

    def __init__(self, pack: Pack, classes: list[str] | None, device: torch.device) -> None:
        self.pack, self.device = pack, device
        same = pack.labels is not None and pack.labels.ndim == 1 and pack.manifest.get("classes") == classes
        self.labels = pack.labels if same else None

    def respond(self, request: Request, seed: int, task: str = "") -> Tensor:
        return channels_first(self.pack.images[order(len(self.pack), seed)[request.indices]])

    def labels_for(self, request: Request, seed: int) -> Tensor | None:
        rows = order(len(self.pack), seed)[request.indices]
        return None if self.labels is None else torch.from_numpy(self.labels[rows])

    def sampling_protocol(self) -> dict[str, Any]:
        return {"generated": self.pack.manifest["source"], "generated_pack": self.pack.manifest["key"]}


@lru_cache(maxsize=2)
def order(count: int, seed: int) -> np.ndarray:
    """Return the seeded permutation of 0 to ``count`` - 1."""
    return np.random.default_rng(seed).permutation(count)
