"""Activation maximisation: the image that maximises a feature (Erhan et al. 2009; Mordvintsev et al. 2015).

The image is a sum of several up-sampled scales (octaves), squashed to the network's range, so that large shapes grow as
readily as pixels. Before each step it is shifted by a few pixels, so that nothing depends on the exact position, and
total variation penalises roughness. The optimiser is Adam.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.images import Range
from ganlab.networks.statistics import Averages
from ganlab.probes.features import with_label
from ganlab.probes.layers import Layer, fixed_statistics, recorded


def maximise_activations(
    network: nn.Module,
    image: Tensor,
    layer: Layer,
    features: list[int],
    *,
    steps: int = 200,
    lr: float = 0.05,
    octaves: int = 3,
    jitter: int = 2,
    total_variation: float = 0.1,
    averages: Averages | None = None,
    value_range: Range = (-1.0, 1.0),
    seed: int = 0,
    label: int | None = None,
) -> Tensor:
    """Return for each feature an image (F, C, H, W), in the network's range, that maximises its mean activation.

    ``image`` (1, C, H, W) gives shape and device. Each of the ``octaves`` is half as large as the one before;
    ``jitter`` is the largest shift in pixels; ``total_variation`` weights the mean absolute difference of neighbours,
    in deviations of the response to noise. Batch norm uses ``averages``, or its running ones. ``label`` is given to a
    conditional discriminator.
    """
    rng = torch.Generator().manual_seed(seed)
    count, (channels, height, width) = len(features), image.shape[1:]
    sides = [(max(1, height >> octave), max(1, width >> octave)) for octave in range(octaves)]
    noise = [torch.randn(count, channels, *side, generator=rng) * 0.1 for side in sides]
    parts = [part.to(image.device).requires_grad_() for part in noise]
    optimizer = torch.optim.Adam(parts, lr)
    middle, half = (value_range[1] + value_range[0]) / 2, (value_range[1] - value_range[0]) / 2
    index = torch.arange(count, device=image.device), torch.tensor(features, device=image.device)

    def draw() -> Tensor:
        enlarged = [functional.interpolate(p, (height, width), mode="bilinear", align_corners=False) for p in parts]
        return middle + half * torch.stack(enlarged).sum(dim=0).tanh()

    with fixed_statistics(network, averages), torch.enable_grad(), recorded(network, [layer]) as outputs:
        unit: Tensor | None = None
        for _ in range(steps):
            pixels = draw()
            shift = torch.randint(-jitter, jitter + 1, (2,), generator=rng).tolist()
            network(*with_label(pixels.roll(shift, (2, 3)), label))
            response = outputs[layer.name][index]
            if unit is None:  # so that all features grow at the same rate
                unit = response.detach().std((1, 2)).clamp(min=1e-6)
            rough = pixels.diff(dim=2).abs().mean((1, 2, 3)) + pixels.diff(dim=3).abs().mean((1, 2, 3))
            loss = (total_variation * rough - response.mean((1, 2)) / unit).sum()
            for part, slope in zip(parts, torch.autograd.grad(loss, parts), strict=True):
                part.grad = slope
            optimizer.step()
        return draw().detach()
