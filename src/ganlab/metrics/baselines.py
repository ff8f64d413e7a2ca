"""Trivial baselines of completion and translation, which a trained network has to beat.

Pictures are uint8 (N, C, H, W), masks (N, 1, H, W) with more than 0 where a pixel is to be predicted. Baselines return
floats (N, C, H, W) from 0 to 255.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ganlab.metrics.measures.paired import L1, L2, PSNR

QUERIES, REFERENCES = 500, 4096  # of a tile of distances
BINS = 8  # of a channel's 256 levels, in a table of colours
RIM = 4  # pixels around the hole that ridge regression sees
PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of ridge regression, on sums over pictures of pixels in [0, 1]
HELD_OUT = 0.1  # share of the training pictures on which the penalty is chosen
MANY = 20  # neighbours that are averaged


def pixel_errors(images: Tensor, targets: Tensor, masks: Tensor | None = None) -> dict[str, float]:
    """Return L1, L2 and PSNR as `ganlab.metrics.measures.paired` defines them, in the holes if there are some."""
    region = torch.ones_like(targets, dtype=torch.bool) if masks is None else (masks > 0).expand_as(targets)
    measures = {"l1": L1("all"), "l2": L2("all"), "psnr": PSNR("all")}
    return {name: one.compare(images, targets, region).nanmean().item() for name, one in measures.items()}


def completions(train: Tensor, inputs: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Return pictures ``inputs`` with their holes filled by each baseline, which has seen the pictures ``train``.

    ``mean_colour`` keeps the colour that the holes have. Ridge regression is left out unless all holes are equal.
    """
    nearest = neighbours(train, inputs, masks, MANY)
    filled = {
        "mean_colour": inputs.float(),
        "mean_hole": mean_picture(train)[None],
        "nearest": train[nearest[:, 0]].float(),
        f"mean_of_{MANY}_nearest": mean_of(train, nearest),
    }
    if (masks == masks[:1]).all():
        filled["ridge"] = ridge(train, inputs, masks[0, 0] > 0)
    return {name: torch.where(masks > 0, values, inputs.float()) for name, values in filled.items()}


def translations(inputs: Tensor, targets: Tensor, asked: Tensor, reals: Tensor) -> dict[str, Tensor]:
    """Return what each baseline makes of the pictures ``asked``, having seen pairs, and ``reals`` without partners.

    ``identity`` needs inputs and targets of equal channels and sees nothing, ``histogram`` unpaired pictures alone.
    """
    nearest = neighbours(inputs, asked, torch.zeros_like(asked[:, :1]), MANY)
    mean = mean_picture(targets).expand(len(asked), *targets.shape[1:])
    coloured = mean_colours(inputs, targets, asked)
    made = {
        "mean_target": mean,
        "mean_colour": coloured,
        "mean_of_both": (mean + coloured) / 2,
        "nearest": targets[nearest[:, 0]].float(),
        f"mean_of_{MANY}_nearest": mean_of(targets, nearest),
    }
    if asked.shape[1] == targets.shape[1]:
        made |= {"identity": asked.float(), "histogram": histogram_matched(asked, inputs, reals)}
    return made


def mean_picture(pictures: Tensor) -> Tensor:
    """Return the mean (C, H, W) of pictures."""
    return (pictures.sum(dim=0, dtype=torch.float64) / len(pictures)).float()


def mean_of(pictures: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean of the chosen pictures (N, k), one a row."""
    return torch.stack([pictures[row].float().mean(dim=0) for row in chosen])


def neighbours(train: Tensor, inputs: Tensor, masks: Tensor, count: int) -> Tensor:
    """Return the numbers (N, count) of the pictures of ``train`` nearest to ``inputs``, by what the masks leave."""
    count = min(count, len(train))
    found = []
    for start in range(0, len(inputs), QUERIES):
        rows = slice(start, start + QUERIES)
        seen = (masks[rows] == 0).expand_as(inputs[rows]).flatten(1).float()
        shown = inputs[rows].flatten(1) / 255 * seen
        best, numbers = torch.empty(len(shown), 0), torch.empty(len(shown), 0, dtype=torch.long)
        for first in range(0, len(train), REFERENCES):
            part = train[first : first + REFERENCES].flatten(1) / 255
            distances = torch.cat([best, seen @ part.square().T - 2 * shown @ part.T], dim=1)
            new = torch.arange(first, first + len(part)).expand(len(shown), -1)
            best, places = distances.topk(min(count, distances.shape[1]), dim=1, largest=False)
            numbers = torch.cat([numbers, new], dim=1).gather(1, places)
        found.append(numbers)
    return torch.cat(found)


def ridge(train: Tensor, inputs: Tensor, hole: Tensor) -> Tensor:
    """Return pictures whose hole, bool (H, W), is regressed on the pixels around it; the penalty is chosen."""
    around = (max_pool2d(hole[None].float(), 2 * RIM + 1, stride=1, padding=RIM)[0] > 0) & ~hole

    def pixels(pictures: Tensor, region: Tensor) -> Tensor:
        return pictures[:, :, region].flatten(1).double() / 255

    x, y, asked = pixels(train, around), pixels(train, hole), pixels(inputs, around)
    cut = len(x) - int(HELD_OUT * len(x))
    errors = [(one - y[cut:]).square().mean() for one in regressed(x[:cut], y[:cut], x[cut:], PENALTIES)]
    penalty = PENALTIES[int(torch.stack(errors).argmin())]
    found = next(regressed(x, y, asked, (penalty,))).mul(255).clamp(0, 255)
    predicted = inputs.float()
    predicted[:, :, hole] = found.float().view(len(inputs), inputs.shape[1], -1)
    return predicted


def regressed(x: Tensor, y: Tensor, asked: Tensor, penalties: Sequence[float]) -> Iterator[Tensor]:
    """Yield, for each penalty, the ridge regression at ``asked`` (n, d) of y (N, k) on x (N, d), with intercepts."""
    centre, level = x.mean(dim=0), y.mean(dim=0)
    values, vectors = torch.linalg.eigh((x - centre).T @ (x - centre))
    turned = vectors.T @ ((x - centre).T @ (y - level))
    for penalty in penalties:
        yield ((asked - centre) @ vectors / (values + penalty)) @ turned + level


def mean_colours(inputs: Tensor, targets: Tensor, asked: Tensor) -> Tensor:
    """Return for each pixel of ``asked`` the mean colour of the targets where inputs have its colour, of `BINS` levels.

    For label maps, that is the mean colour of each label.
    """
    scale = BINS ** torch.arange(inputs.shape[1])[:, None, None]

    def bins(pictures: Tensor) -> Tensor:
        return (pictures.long() * BINS // 256 * scale).sum(dim=1)

    channels = targets.shape[1]
    table, counts = torch.zeros(BINS ** inputs.shape[1], channels, dtype=torch.float64), torch.zeros(())
    for given, truth in zip(inputs.split(QUERIES), targets.split(QUERIES), strict=True):
        cells, colours = bins(given).flatten(), truth.permute(0, 2, 3, 1).reshape(-1, channels).double()
        table.index_add_(0, cells, colours)
        counts = counts + cells.bincount(minlength=len(table))
    table = torch.where(counts[:, None] > 0, table / counts[:, None], table.sum(dim=0) / counts.sum())
    return table[bins(asked)].permute(0, 3, 1, 2).float()


def histogram_matched(asked: Tensor, source: Tensor, reals: Tensor) -> Tensor:
    """Map the levels of pictures, channel by channel, so that ``source`` gets the histograms of ``reals``."""
    made = torch.empty(asked.shape)
    for channel in range(asked.shape[1]):
        below = []
        for pictures in (source, reals):
            share = pictures[:, channel].flatten().bincount(minlength=256).double()
            below.append((share.cumsum(0) - share / 2) / share.sum())
        table = np.interp(below[0], below[1], np.arange(256))
        made[:, channel] = torch.from_numpy(table).float()[asked[:, channel].long()]
    return made
