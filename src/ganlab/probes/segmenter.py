"""A small segmentation network, trained on a pack with masks, that finds objects such as windows in samples."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from ganlab.classifiers.training import one_cycle
from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.probes.boxes import boxes_in

SCALES = 3  # of the U-Net, each half the side of the one before


class Segmenter(nn.Module):
    """A U-Net of three scales, from images to the class of each pixel; ``width`` channels, doubled at each scale."""

    def __init__(self, channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**scale for scale in range(SCALES)]
        self.down = nn.ModuleList(block(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) to logits (N, classes, H, W)."""
        values, skips = images.float() / 127.5 - 1, []
        for number, layer in enumerate(self.down):
            values = layer(functional.max_pool2d(values, 2, ceil_mode=True) if number else values)
            skips.append(values)
        for layer, skip in zip(self.up, skips[-2::-1], strict=True):
            values = layer(torch.cat([functional.interpolate(values, skip.shape[2:]), skip], 1))
        return self.head(values)

    @torch.no_grad()
    def masks(self, images: Tensor, batch_size: int = 256) -> np.ndarray:
        """Return the most probable class of each pixel, uint8 (N, H, W), of uint8 images (N, C, H, W)."""
        self.eval()
        device = self.head.weight.device
        return np.concatenate(
            [self(batch.to(device)).argmax(dim=1).byte().cpu().numpy() for batch in images.split(batch_size)]
        )


def block(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU: (N, inputs, H, W) -> (N, outputs, H, W)."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def train_segmenter(
    pack: Pack, images: int, *, batch_size: int = 32, lr: float = 1e-2, width: int = 16, seed: int = 0
) -> Segmenter:
    """Train a segmenter on a pack's images and masks, on the CPU; ``UserError`` if it has no masks.

    Images are randomly blurred a little, because a generator's samples are softer than real images. ``images`` counts
    repetitions; ``lr`` is the maximum of AdamW's one-cycle schedule.
    """
    if "masks" not in pack.arrays:
        raise UserError(f"{pack.folder} has no masks to learn from: take a procedural set, such as data=scenes")
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Segmenter(pack.images.shape[3], len(pack.manifest["mask_kinds"]), width).train()
    steps = max(images // batch_size, 2)

    def loss(_: int) -> Tensor:
        chosen = np.sort(rng.choice(len(pack), min(batch_size, len(pack)), replace=False))
        pixels = channels_first(pack.images[chosen]).float()
        soft = functional.avg_pool2d(pixels, 3, 1, 1, count_include_pad=False)
        amount = torch.from_numpy(rng.random((len(chosen), 1, 1, 1), dtype=np.float32))
        truth = torch.from_numpy(pack.arrays["masks"][chosen]).long()
        return functional.cross_entropy(network(pixels.lerp(soft, amount)), truth)

    one_cycle(network, lr, steps, map(loss, trange(steps, desc="training a segmenter", disable=None)))
    return network.eval()


def intersection_over_union(found: np.ndarray, truth: np.ndarray, classes: Sequence[int]) -> float:
    """Return the IoU of the pixels (N, H, W) that are of any of the classes; NaN if none is."""
    first, second = np.isin(found, classes), np.isin(truth, classes)
    either = (first | second).sum()
    return float((first & second).sum() / either) if either else float("nan")


def mask_values(pack: Pack, name: str) -> list[int]:
    """Return the mask values of a kind by name; ``window`` also matches ``window_1`` and ``window_2``."""
    known: list[str] = pack.manifest["mask_kinds"]
    values = [number for number, kind in enumerate(known) if kind == name or kind.rpartition("_")[0] == name]
    if not values:
        raise UserError(f"{pack.folder} has no {name}: choose one of {', '.join(known)}")
    return values


def boxes_from_masks(masks: np.ndarray, classes: Sequence[int], least: float = 0.005) -> dict[int, np.ndarray]:
    """Return by image the boxes (K, 4) of the classes in masks (N, H, W); parts below a share ``least`` have none."""
    found = {n: boxes_in(np.isin(mask, classes), max(1, round(least * mask.size))) for n, mask in enumerate(masks)}
    return {number: boxes for number, boxes in found.items() if len(boxes)}
