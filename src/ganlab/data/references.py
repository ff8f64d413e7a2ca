"""References: the fixed inputs, truths and real pictures that previews and metrics of a system use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ganlab.data.batches import channels_first
from ganlab.data.inputs import HOLES, draw_masks, make_inputs
from ganlab.data.packs.pack import Pack

MASKS = 2  # spawn key: other masks than those of a training batch


@dataclass(frozen=True)
class Reference:
    """What a system's outputs of one task are made from and compared with."""

    reals: Pack  # pictures of the target domain, for distribution metrics
    # From indices 0 .. ``count`` - 1, int (n,): ``inputs`` and, if there is a truth, ``targets``, uint8 (n, C, H, W),
    # not augmented; with holes ``masks``, uint8 (n, 1, H, W), 1 where a pixel is missing. Empty without input pictures.
    shown: Callable[[np.ndarray], dict[str, Tensor]]
    count: int


def centre(pack: Pack, names: Sequence[str], size: int) -> Pack:
    """Return a pack whose pictures, the arrays ``names``, are cropped to their centre squares of ``size`` pixels."""

    def cropped(array: np.ndarray) -> np.ndarray:
        top, left = ((side - size) // 2 for side in array.shape[1:3])
        return array[:, top : top + size, left : left + size]

    return replace(pack, arrays=pack.arrays | {name: cropped(pack.arrays[name]) for name in names})


def of_images(pack: Pack) -> Reference:
    """Return the reference of a system that takes no pictures."""
    return Reference(pack, lambda indices: {}, len(pack))


def of_made_inputs(pack: Pack, kind: str, seed: int) -> Reference:
    """Return the reference of inputs made from images; masks follow from (seed, index), whatever else is shown."""

    def shown(indices: np.ndarray) -> dict[str, Tensor]:
        images, masks = torch.from_numpy(np.array(pack.images[indices])), None
        if kind in HOLES:
            drawn = [draw_masks(kind, generator(int(index)), 1, images.shape[1]) for index in indices]
            masks = torch.from_numpy(np.concatenate(drawn))
        made = make_inputs(kind, images, masks)
        pictures = {name: made[name].permute(0, 3, 1, 2).contiguous() for name in ("inputs", "targets")}
        return pictures if masks is None else pictures | {"masks": masks[:, None].byte()}

    def generator(index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((seed, index), spawn_key=(MASKS,)))

    return Reference(pack, shown, len(pack))


def of_pairs(pack: Pack, *, reverse: bool = False) -> Reference:
    """Return the reference of aligned pairs; ``reverse`` exchanges inputs and targets."""
    if reverse:
        other = {"inputs": "targets", "targets": "inputs"}
        arrays = {other.get(name, name): array for name, array in pack.arrays.items()}
        facts = {other.get(name, name): fact for name, fact in pack.manifest["arrays"].items()}
        pack = replace(pack, arrays=arrays, manifest=pack.manifest | {"arrays": facts})
    pairs = {name: pack.arrays[name] for name in ("inputs", "targets")}
    return Reference(pack, lambda rows: {name: channels_first(side[rows]) for name, side in pairs.items()}, len(pack))


def of_domains(source: Pack, target: Pack) -> Reference:
    """Return the reference of a translation between unpaired domains: inputs of ``source``, reals of ``target``."""
    return Reference(target, lambda indices: {"inputs": channels_first(source.images[indices])}, len(source))
