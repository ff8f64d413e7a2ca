"""A semantic hash of pictures: 128 bits that nearly equal pictures share (DCGAN paper, sec. 4.1)."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from ganlab.data.packs.order import EndlessOrder
from ganlab.errors import UserError

SIDE, BITS = 32, 128
INPUTS = 3 * SIDE * SIDE
FLAT = 1.0  # grey levels; less contrast than this is not stretched

# Rows of pictures by index, uint8 (n,H,W,C).
Take = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Hashing:
    """How the auto-encoder of the hash is trained: what the paper does not tell.

    Args:
        noise: what inputs suffer: ``gaussian``, added with deviation ``noise_level`` in units of a picture's own
            deviation; or ``masking``, by which each value is replaced by the picture's mean with probability
            ``noise_level``.
        noise_level: see ``noise``.
        dropout: probability with which a code unit is left out.
        images: pictures seen in training.
        learning_rate: Adam's at first; it falls to zero on a straight line.
        batch_size: pictures a step.
        seed: of weights, order, noise and dropout.
    """

    noise: str
    noise_level: float
    dropout: float
    images: int
    learning_rate: float
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.noise not in ("gaussian", "masking"):
            raise UserError(f"data.deduplication.noise={self.noise} is not known: take gaussian or masking")
        shares = {"dropout": self.dropout} | ({"noise_level": self.noise_level} if self.noise == "masking" else {})
        for key, value in shares.items():
            if not 0 <= value < 1:
                raise UserError(f"data.deduplication.{key}={value} is no probability: take a number from 0 to below 1")
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"data.deduplication.learning_rate={self.learning_rate} must be above 0: take 0.001")

    def record(self) -> dict[str, Any]:
        """Return all that codes depend on, but for the pictures."""
        return asdict(self)


class AutoEncoder(nn.Module):
    """The paper's 3072-128-3072 auto-encoder with a code of rectified units; its first weights follow the generator."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = nn.utils.skip_init(nn.Linear, INPUTS, BITS)
        self.decoder = nn.utils.skip_init(nn.Linear, BITS, INPUTS)
        for layer in (self.encoder, self.decoder):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor, kept: Tensor) -> Tensor:
        """Rebuild inputs (n, 3072) from a code (n, 128) whose units are multiplied by ``kept``."""
        return self.decoder(functional.relu(self.encoder(inputs)) * kept)

    def codes(self, inputs: Tensor) -> np.ndarray:
        """Return which code units are above zero: 128 bits of each of the inputs (n, 3072), uint8 (n, 16)."""
        with torch.no_grad():  # in float64, so that equal pictures have equal codes wherever in a block they stand
            units = functional.linear(inputs.double(), self.encoder.weight.double(), self.encoder.bias.double())
        return np.packbits((units > 0).numpy(), axis=1)


def thumbnails(pictures: np.ndarray) -> Tensor:
    """Bring pictures, uint8 (n,H,W,C), to 32x32 colour by averaging areas: float32 (n, 3072), 0..255."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(pixels, SIDE).expand(-1, 3, -1, -1).flatten(1)


def standardized(small: Tensor) -> Tensor:
    """Give each picture mean 0 and deviation 1, so that the code follows neither brightness nor contrast."""
    centred = small - small.mean(1, keepdim=True)
    return centred / centred.square().mean(1, keepdim=True).sqrt().clamp_min(FLAT)


def fit(take: Take, count: int, settings: Hashing, progress: Callable[[Sequence[int]], Iterable[int]]) -> AutoEncoder:
    """Train the auto-encoder to rebuild ``count`` pictures from their noisy thumbnails.

    The global random generators are left alone; ``progress`` wraps the steps.
    """
    generator = Generator().manual_seed(settings.seed)
    network = AutoEncoder(generator)
    order = EndlessOrder(count, settings.seed)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    steps = math.ceil(settings.images / settings.batch_size)
    for step in progress(range(steps)):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * (1 - step / steps)
        clean = standardized(thumbnails(take(order.indices(step * settings.batch_size, settings.batch_size))))
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
    """Bring records of equal codes, uint8 (N,16), together: the order of records, and where in it groups start.

    Within a group the order is that of the records. A radix sort of 16 bits at a time: its time is linear in N.
    """
    order = np.arange(len(codes))
    for digit in np.ascontiguousarray(codes).view(np.uint16).T:
        order = order[np.argsort(digit[order], kind="stable")]
    ordered = codes[order]
    changes = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(1)])
    return order, np.flatnonzero(changes)
