"""Image patches of a feature's strongest responses, the rows of figure 5, and a score against known boxes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.data.batches import channels_first
from ganlab.images import Range, to_bytes, to_floats
from ganlab.networks.statistics import Averages
from ganlab.probes.boxes import cells_inside, share_inside
from ganlab.probes.guided_backpropagation import Peak, explain, find_peaks, receptive_field, square_around
from ganlab.probes.layers import Layer


@dataclass(frozen=True)
class FeaturePatches:
    """The strongest responses of one feature."""

    feature: int  # channel of the layer
    peaks: list[Peak]  # in descending order
    pixels: Tensor  # of the receptive fields, uint8 (n, C, size, size)
    guided: Tensor  # guided derivatives there, uint8 of the same shape, 0 as grey, each patch scaled by its maximum
    inside: Tensor | None  # share of the absolute derivative in boxes (n,), NaN without a response; None without boxes
    chance: Tensor | None  # share of the receptive field in boxes (n,): ``inside`` of a uniform derivative


def feature_patches(
    network: nn.Module,
    images: np.ndarray,
    layer: Layer,
    features: list[int],
    count: int = 5,
    *,
    boxes: np.ndarray | None = None,
    averages: Averages | None = None,
    value_range: Range = (-1.0, 1.0),
    rule: str = "leaky",
    batch_size: int = 128,
    label: int | None = None,
) -> list[FeaturePatches]:
    """Return the ``count`` strongest patches of each feature with their guided derivatives (paper: 6 rows of 5).

    Images are uint8 (N, H, W, C), preferably held out, and ``boxes`` of objects in them (N, K, 4) in units of the side,
    zeros where missing. The paper takes the last convolution's features. Each image gives one patch, so that fewer
    images than ``count`` raise ``ValueError``. The other options are those of `find_peaks` and `guided`.
    """
    if count > len(images):
        raise ValueError(f"{count} patches per feature need as many images, and there are {len(images)}")
    options: dict[str, Any] = {"averages": averages, "label": label}
    device, side = next(network.parameters()).device, images.shape[1]
    found = find_peaks(
        network, images, layer, features, count, value_range=value_range, batch_size=batch_size, **options
    )
    one = torch.zeros(1, images.shape[3], side, images.shape[2], device=device)
    places = {(peak.row, peak.column) for peaks in found for peak in peaks}
    places.add((layer.height // 2, layer.width // 2))  # whose field is the largest
    fields = {place: receptive_field(network, layer, one, *place, label=label) for place in places}
    size = min(side, max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in fields.values()))
    result = []
    for feature, peaks in zip(features, found, strict=True):
        numbers = [peak.image for peak in peaks]
        pictures = np.stack([images[number] for number in numbers])
        floats = to_floats(torch.from_numpy(pictures).to(device), value_range)
        derivative = explain(network, floats, layer, feature, peaks, rule=rule, **options).cpu()
        cuts = [square_around(fields[peak.row, peak.column], size, side) for peak in peaks]
        inside = chance = None
        if boxes is not None:
            cells = torch.stack([cells_inside(boxes[number], *images.shape[1:3]) for number in numbers])
            inside = share_inside(derivative, cells)
            chance = torch.stack([_covered(cells[n], fields[p.row, p.column]) for n, p in enumerate(peaks)])
        scaled = derivative / derivative.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-30)
        grey, pixels = to_bytes(scaled, (-1.0, 1.0)), channels_first(pictures)
        cut, guided = (torch.stack([all_[n][:, y, x] for n, (y, x) in enumerate(cuts)]) for all_ in (pixels, grey))
        result.append(FeaturePatches(feature, peaks, cut, guided, inside, chance))
    return result


def lift(found: list[FeaturePatches]) -> float:
    """Return mean ``inside`` over mean ``chance``: how much of the response lies in boxes, relative to a uniform one.

    It is 1 for a network that ignores objects. Features without any response are left out.
    """
    inside = torch.cat([one.inside for one in found if one.inside is not None])
    chance = torch.cat([one.chance for one in found if one.chance is not None])
    known = ~inside.isnan()
    return (inside[known].mean() / chance[known].mean()).item()


def _covered(cells: Tensor, field: tuple[int, int, int, int]) -> Tensor:
    x0, y0, x1, y1 = field
    return cells[y0:y1, x0:x1].float().mean()
