"""A semantic hash: 128 bits that nearly equal pictures share (DCGAN paper, sec. 4.1)."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from ganlab.arguments import Count, Natural, NonNegative, Positive, Share, checked
from ganlab.data.packs.order import EndlessOrder
from ganlab.errors import UserError

SIDE, BITS = 32, 128
INPUTS = 3 * SIDE * SIDE
FLAT = 1.0  # grey levels; less contrast than this is not stretched

ReadPictures = Callable[[np.ndarray], np.ndarray]  # returns pictures at given indices, uint8 (n, H, W, C)


@checked
@dataclass(frozen=True)
class Hashing:
    """Training of the hash's auto-encoder, which the paper does not specify."""

    noise: Literal["gaussian", "masking"]  # on inputs; masking: values are replaced by the picture's mean
    noise_level: NonNegative  # standard deviation in units of the picture's own, or probability of masking
    dropout: Share  # probability of dropping a code unit
    images: Count  # pictures seen in training
    learning_rate: Positive  # of Adam at the start; it decays linearly to zero
    batch_size: Count
    seed: Natural

    def __post_init__(self) -> None:
        for key in ("dropout", "noise_level") if self.noise == "masking" else ("dropout",):
            if (value := getattr(self, key)) >= 1:
                raise UserError(f"data.deduplication.{key}={value} is no probability: take a number from 0 to below 1")

    def record(self) -> dict[str, Any]:
        """Return everything that codes depend on except the pictures."""
        return asdict(self)


class AutoEncoder(nn.Module):
    """The paper's 3072-128-3072 auto-encoder with ReLU code units; ``generator`` draws its initial weights."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = nn.utils.skip_init(nn.Linear, INPUTS, BITS)
        self.decoder = nn.utils.skip_init(nn.Linear, BITS, INPUTS)
        for layer in (self.encoder, self.decoder):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor, kept: Tensor) -> Tensor:
        """Reconstruct inputs (n, 3072) from codes (n, 128), whose units are multiplied by ``kept``."""
        return self.decoder(functional.relu(self.encoder(inputs)) * kept)

    def codes(self, inputs: Tensor) -> np.ndarray:
        """Return the 128 bits of inputs (n, 3072), set where a code unit is above zero, uint8 (n, 16)."""
        with torch.no_grad():  # in float64, so that codes do not depend on the position in a block
            units = functional.linear(inputs.double(), self.encoder.weight.double(), self.encoder.bias.double())
        return np.packbits((units > 0).numpy(), axis=1)


def thumbnails(pictures: np.ndarray) -> Tensor:
    """Average pictures, uint8 (n, H, W, C), to 32x32 colour: float32 (n, 3072) in [0, 255]."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(pixels, SIDE).expand(-1, 3, -1, -1).flatten(1)


def standardized(small: Tensor) -> Tensor:
    """Normalise each picture to mean 0 and deviation 1: codes do not depend on brightness and contrast."""
    centred = small - small.mean(1, keepdim=True)
    return centred / centred.square().mean(1, keepdim=True).sqrt().clamp_min(FLAT)


def fit(
    read: ReadPictures, count: int, settings: Hashing, progress: Callable[[Sequence[int]], Iterable[int]]
) -> AutoEncoder:
    """Train the auto-encoder to reconstruct ``count`` pictures from noisy thumbnails; ``progress`` wraps the steps."""
    generator = Generator().manual_seed(settings.seed)
    network = AutoEncoder(generator)
    order = EndlessOrder(count, settings.seed)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    steps = math.ceil(settings.images / settings.batch_size)
    for step in progress(range(steps)):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * (1 - step / steps)
        clean = standardized(thumbnails(read(order.indices(step * settings.batch_size, settings.batch_size))))
        if settings.noise == "gaussian":
            noisy = clean + settings.noise_level * torch.randn(clean.shape, generator=generator)
        else:
            noisy = clean * (torch.rand(clean.shape, generator=generator) >= settings.noise_level)
        units = torch.rand(len(clean), BITS, generator=generator) >= settings.dropout
        loss = functional.mse_loss(network(noisy, units / (1 - settings.dropout)), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def equal_codes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group records by their codes, uint8 (N, 16): return a stable order of records and the starts of groups in it."""
    order = np.arange(len(codes))
    for digit in np.ascontiguousarray(codes).view(np.uint16).T:  # a radix sort, linear in N
        order = order[np.argsort(digit[order], kind="stable")]
    ordered = codes[order]
    changes = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(1)])
    return order, np.flatnonzero(changes)
