"""A small network that names the thing at each pixel, trained on a pack with masks: it finds windows in samples."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.probes.boxes import boxes_in

SCALES = 3  # each half the side of the one before


class Segmenter(nn.Module):
    """Images to the kind of thing at each pixel: three scales down, and up again beside what was seen on the way.

    Args:
        channels: of the images.
        kinds: number of kinds.
        width: maps at the images' own scale; doubled at each of the others.
    """

    def __init__(self, channels: int, kinds: int, width: int = 16) -> None:
        super().__init__()
        maps = [width * 2**scale for scale in range(SCALES)]
        self.down = nn.ModuleList(block(a, b) for a, b in zip([channels, *maps], maps, strict=False))
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(maps[:0:-1], maps[-2::-1], strict=True))
        self.head = nn.Conv2d(width, kinds, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) to logits (N, kinds, H, W)."""
        values, seen = images.float() / 127.5 - 1, []
        for number, layer in enumerate(self.down):
            values = layer(functional.max_pool2d(values, 2, ceil_mode=True) if number else values)
            seen.append(values)
        for layer, beside in zip(self.up, seen[-2::-1], strict=True):
            values = layer(torch.cat([functional.interpolate(values, beside.shape[2:]), beside], 1))
        return self.head(values)

    @torch.no_grad()
    def masks(self, images: Tensor, batch_size: int = 256) -> np.ndarray:
        """Return the most probable kind at each pixel, uint8 (N, H, W), of uint8 images (N, C, H, W)."""
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
    """Train a segmenter on a pack's images and masks, so many images in all, on the CPU.

    Pictures are blurred a little, at random: samples of a generator are softer than what the pack holds.

    Args:
        pack: with ``masks`` (N, H, W) and their ``mask_kinds``.
        images: seen in training, repeats counted.
        batch_size: of a step.
        lr: the highest of AdamW's one-cycle schedule.
        width: maps of the first scale.
        seed: of weights, order and blur.

    Raises:
        UserError: the pack has no masks.
    """
    if "masks" not in pack.arrays:
        raise UserError(f"{pack.folder} has no masks to learn from: take a drawn set, such as data=scenes")
    kinds = len(pack.manifest["mask_kinds"])
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Segmenter(pack.images.shape[3], kinds, width).train()
    steps = max(images // batch_size, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps)
    for _ in tqdm(range(steps), desc="training a segmenter", disable=None):
        chosen = np.sort(rng.choice(len(pack), min(batch_size, len(pack)), replace=False))
        pixels = channels_first(pack.images[chosen])
        soft = functional.avg_pool2d(pixels.float(), 3, 1, 1, count_include_pad=False)
        amount = torch.from_numpy(rng.random((len(chosen), 1, 1, 1), dtype=np.float32))
        loss = functional.cross_entropy(
            network(pixels.float().lerp(soft, amount)), torch.from_numpy(pack.arrays["masks"][chosen]).long()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def intersection_over_union(found: np.ndarray, truth: np.ndarray, kinds: Sequence[int]) -> float:
    """Return |both| / |either| of the pixels (N, H, W) that are of any of the kinds; NaN where none is."""
    first, second = np.isin(found, kinds), np.isin(truth, kinds)
    either = (first | second).sum()
    return float((first & second).sum() / either) if either else float("nan")


def numbers_of(pack: Pack, name: str) -> list[int]:
    """Return the mask numbers of a kind by its name; ``window`` also names ``window_1`` and ``window_2``.

    Raises:
        UserError: there is none.
    """
    known: list[str] = pack.manifest["mask_kinds"]
    numbers = [number for number, kind in enumerate(known) if kind == name or kind.rpartition("_")[0] == name]
    if not numbers:
        raise UserError(f"{pack.folder} has no {name}: take one of {', '.join(known)}")
    return numbers


def boxes_of(masks: np.ndarray, kinds: Sequence[int], least: float = 0.005) -> dict[int, np.ndarray]:
    """Return by number the boxes (K, 4) around the kinds in masks (N, H, W), of images that show any.

    ``least`` is the share of an image's pixels that a connected part must cover.
    """
    found = {n: boxes_in(np.isin(mask, kinds), max(1, round(least * mask.size))) for n, mask in enumerate(masks)}
    return {number: boxes for number, boxes in found.items() if len(boxes)}
