"""Features of a discriminator beside what they respond to: the rows of figure 5, and a score where boxes are known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.networks.statistics import Averages
from ganlab.probes.boxes import cells_inside, share_inside
from ganlab.probes.guided import Peak, explain, find_peaks, patch, receptive_field
from ganlab.probes.layers import Layer
from ganlab.systems.images import Range, to_bytes, to_floats


@dataclass(frozen=True)
class FeaturePatches:
    """The strongest responses of one feature.

    Attributes:
        feature: number of the map.
        peaks: the strongest first.
        pixels: what lies in the receptive field, uint8 (n, C, size, size).
        guided: the guided derivative there, grey where it is 0, each patch by its own largest, uint8 alike.
        inside: share of the derivative's absolute values that lies in the images' boxes (n,), NaN for a feature
            without any; None without boxes.
        chance: share of the receptive field that lies in boxes (n,): what ``inside`` is for an even derivative.
    """

    feature: int
    peaks: list[Peak]
    pixels: Tensor
    guided: Tensor
    inside: Tensor | None
    chance: Tensor | None


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

    Args:
        network: a discriminator.
        images: uint8 (N, H, W, C), best ones that it was not trained on.
        layer: whose maps are looked at; the paper: the last convolution's.
        features: numbers of the maps.
        count: of patches.
        boxes: of the objects in the images, (N, K, 4) in units of the side; empty ones are zeros.
        averages: fixed statistics of batch norm; None: the running ones.
        value_range: of the images that the network takes.
        rule: see `ganlab.probes.guided.guided`.
        batch_size: images that pass together.
        label: given to a conditional discriminator with every image.

    Raises:
        ValueError: fewer images than patches, of which each image has one.
    """
    if count > len(images):
        raise ValueError(f"{count} patches of a feature need as many images, and there are {len(images)}")
    options: dict[str, Any] = {"averages": averages, "label": label}
    device, side = next(network.parameters()).device, images.shape[1]
    found = find_peaks(
        network, images, layer, features, count, value_range=value_range, batch_size=batch_size, **options
    )
    one = torch.zeros(1, images.shape[3], side, images.shape[2], device=device)
    places = {(peak.row, peak.column) for peaks in found for peak in peaks}
    places.add((layer.height // 2, layer.width // 2))  # whose field is as large as any
    fields = {place: receptive_field(network, layer, one, *place, label=label) for place in places}
    size = min(side, max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in fields.values()))
    result = []
    for feature, peaks in zip(features, found, strict=True):
        numbers = [peak.image for peak in peaks]
        pixels = torch.from_numpy(np.stack([images[number] for number in numbers]))
        derivative = explain(
            network, to_floats(pixels.to(device), value_range), layer, feature, peaks, rule=rule, **options
        ).cpu()
        cuts = [patch(fields[peak.row, peak.column], size, side) for peak in peaks]
        inside = chance = None
        if boxes is not None:
            cells = torch.stack([cells_inside(boxes[number], *images.shape[1:3]) for number in numbers])
            inside = share_inside(derivative, cells)
            chance = torch.stack([_covered(cells[n], fields[p.row, p.column]) for n, p in enumerate(peaks)])
        shown = derivative / derivative.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-30)
        grey = to_bytes(shown, (-1.0, 1.0))
        result.append(
            FeaturePatches(
                feature,
                peaks,
                torch.stack([pixels[n].permute(2, 0, 1)[:, y, x] for n, (y, x) in enumerate(cuts)]),
                torch.stack([grey[n][:, y, x] for n, (y, x) in enumerate(cuts)]),
                inside,
                chance,
            )
        )
    return result


def lift(found: list[FeaturePatches]) -> float:
    """Return how much more of the response lies in boxes than an even one would have there: mean inside / mean chance.

    1 for a network that does not care for objects; a feature without any response is left out.
    """
    inside = torch.cat([one.inside for one in found if one.inside is not None])
    chance = torch.cat([one.chance for one in found if one.chance is not None])
    told = ~inside.isnan()
    return (inside[told].mean() / chance[told].mean()).item()


def _covered(cells: Tensor, field: tuple[int, int, int, int]) -> Tensor:
    x0, y0, x1, y1 = field
    return cells[y0:y1, x0:x1].float().mean()
