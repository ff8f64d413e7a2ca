"""References: the fixed inputs, truths and real pictures that previews and metrics of a system use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ganlab.data.batches import channels_first
from ganlab.data.inputs import MadeInputs
from ganlab.data.packs.pack import Pack

MASKS = 2  # spawn key: other masks than those of a training batch
PLAIN = MadeInputs()


@dataclass(frozen=True)
class Reference:
    """What a system's outputs of one task are made from and compared with."""

    reals: Pack  # pictures of the target domain, for distribution metrics
    # From indices 0 .. ``count`` - 1, int (n,): ``inputs`` and, if there is a truth, ``targets``, uint8 (n, C, H, W),
    # not augmented; with holes ``masks``, uint8 (n, 1, H, W), 1 where a pixel is to be predicted, or in the region of
    # drawn pictures that is measured by itself. Empty without input pictures.
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


def of_made_inputs(pack: Pack, inputs: MadeInputs, seed: int) -> Reference:
    """Return the reference of inputs made from images; masks follow from (seed, index), whatever else is shown."""

    def shown(indices: np.ndarray) -> dict[str, Tensor]:
        images = torch.from_numpy(np.array(pack.images[indices]))
        drawn = (inputs.draw(generator(int(index)), 1, images.shape[1]) for index in indices)
        masks = [torch.from_numpy(np.array(mask)) for mask in drawn if mask is not None]
        holes = torch.cat(masks) if masks else None
        made = inputs.make(images, holes)
        pictures = {name: made[name].permute(0, 3, 1, 2).contiguous() for name in ("inputs", "targets")}
        return pictures if holes is None else pictures | {"masks": holes[:, None].byte()}

    def generator(index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((seed, index), spawn_key=(MASKS,)))

    return Reference(pack, shown, len(pack))


def of_pairs(pack: Pack, inputs: MadeInputs = PLAIN, *, reverse: bool = False) -> Reference:
    """Return the reference of aligned pairs; ``reverse`` exchanges inputs and targets.

    ``masks`` are shown where the manifest names a ``region``: the kinds, in the array ``masks``, that it consists of.
    """
    region = pack.manifest.get("region")
    if reverse:
        other = {"inputs": "targets", "targets": "inputs"}
        arrays = {other.get(name, name): array for name, array in pack.arrays.items()}
        facts = {other.get(name, name): fact for name, fact in pack.manifest["arrays"].items()}
        pack = replace(pack, arrays=arrays, manifest=pack.manifest | {"arrays": facts})
    return Reference(pack, lambda rows: shown_pairs(pack, "inputs", rows, inputs, region), len(pack))


def of_domains(source: Pack, target: Pack) -> Reference:
    """Return the reference of a translation between unpaired domains: inputs of ``source``, reals of ``target``.

    Drawn domains know the truth as well: an array ``targets`` of ``source``.
    """
    region = source.manifest.get("region")
    return Reference(target, lambda rows: shown_pairs(source, "images", rows, PLAIN, region), len(source))


def shown_pairs(
    pack: Pack, name: str, rows: np.ndarray, inputs: MadeInputs, region: Sequence[int] | None
) -> dict[str, Tensor]:
    """Return ``inputs`` from the array ``name`` of a pack, and ``targets`` and ``masks`` where it has them."""
    made = inputs.in_channels({"inputs": torch.from_numpy(np.array(pack.arrays[name][rows]))})
    shown = {"inputs": made["inputs"].permute(0, 3, 1, 2).contiguous()}
    if "targets" in pack.arrays:
        shown["targets"] = channels_first(pack.arrays["targets"][rows])
    if region:
        shown["masks"] = torch.from_numpy(np.isin(pack.arrays["masks"][rows], region)[:, None].astype(np.uint8))
    return shown
