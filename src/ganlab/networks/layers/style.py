"""Normalisation, activation and dropout that follow each layer, by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd

from torch import nn
from torch.nn.utils import parametrizations

from ganlab.networks.layers.choosing import choose

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)  # the last replaces both on several devices
NORMS = (*BATCH_NORMS, nn.GroupNorm)
CHANNELS_PER_GROUP = 16  # of group normalisation (Wu and He 2018, table 3)


@dataclass(frozen=True)
class Normalization:
    """A kind of normalisation: what follows a convolution and a linear layer, or reparametrises a layer's weight."""

    convolution: Callable[[int, float], nn.Module] | None = None  # of (channels, eps)
    linear: Callable[[int, int, float], nn.Module] | None = None  # of (features, channels they are reshaped to, eps)
    all_layers: bool = False  # whether the generator's output and the discriminator's input are normalised as well
    weight: Callable[[nn.Module], nn.Module] | None = None


BATCH = Normalization(nn.BatchNorm2d, lambda features, channels, eps: nn.BatchNorm1d(features, eps))


def _grouped(groups_of: Callable[[int], int]) -> Normalization:
    """Per-image statistics; the features of a channel are contiguous, so GroupNorm groups them as well."""
    return Normalization(
        lambda channels, eps: nn.GroupNorm(groups_of(channels), channels, eps=eps),
        lambda features, channels, eps: nn.GroupNorm(groups_of(channels), features, eps=eps),
    )


def _weight_norm(layer: nn.Module) -> nn.Module:
    """Weight-normalise per output channel, which is axis 1 of a transposed convolution."""
    return parametrizations.weight_norm(layer, dim=int(isinstance(layer, nn.ConvTranspose2d)))


NORMALIZATIONS: dict[str, Normalization] = {
    "batch": BATCH,
    "none": Normalization(),
    "all_layers": replace(BATCH, all_layers=True),
    "instance": _grouped(lambda channels: channels),  # Ulyanov et al. 2016; the same as layer after hidden layers
    "layer": _grouped(lambda channels: 1),  # Ba et al. 2016
    "group": _grouped(lambda channels: gcd(channels, max(channels // CHANNELS_PER_GROUP, 1))),
    "spectral": Normalization(weight=parametrizations.spectral_norm),  # Miyato et al. 2018
    "weight": Normalization(weight=_weight_norm),  # Salimans and Kingma 2016
}
ACTIVATIONS: dict[str, Callable[[float], nn.Module]] = {
    "relu": lambda slope: nn.ReLU(),
    "leaky_relu": lambda slope: nn.LeakyReLU(slope),
    "elu": lambda slope: nn.ELU(),
    "gelu": lambda slope: nn.GELU(),
    "silu": lambda slope: nn.SiLU(),
    "tanh": lambda slope: nn.Tanh(),
    "sigmoid": lambda slope: nn.Sigmoid(),
}


@dataclass(frozen=True)
class LayerStyle:
    """Normalisation, activation and dropout of the layers of one network.

    As in the paper, the generator's output and the discriminator's input are not normalised, except by
    ``all_layers`` and by ``spectral`` and ``weight``.
    """

    normalization: str = "batch"
    activation: str = "relu"
    slope: float = 0.2
    dropout: float = 0.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        choose(NORMALIZATIONS, self.normalization, "normalization")
        choose(ACTIVATIONS, self.activation, "activation")

    @property
    def bias(self) -> bool:
        """Whether hidden layers have a bias: only where no normalisation with a bias follows."""
        return NORMALIZATIONS[self.normalization].convolution is None

    def after_convolution(self, channels: int) -> list[nn.Module]:
        make = NORMALIZATIONS[self.normalization].convolution
        return [*([make(channels, self.eps)] if make else []), *self.activation_and_dropout()]

    def after_linear(self, features: int, channels: int = 1) -> list[nn.Module]:
        """Return the modules that follow a hidden linear layer, whose features are reshaped to ``channels``."""
        make = NORMALIZATIONS[self.normalization].linear
        return [*([make(features, channels, self.eps)] if make else []), *self.activation_and_dropout()]

    def norm_at_image(self, channels: int) -> list[nn.Module]:
        """Return the normalisation of the layer next to the image; empty for most kinds."""
        kind = NORMALIZATIONS[self.normalization]
        return [kind.convolution(channels, self.eps)] if kind.convolution and kind.all_layers else []

    def activation_and_dropout(self) -> list[nn.Module]:
        dropout = [nn.Dropout(self.dropout)] if self.dropout else []
        return [ACTIVATIONS[self.activation](self.slope), *dropout]

    def normalize_weights(self, network: nn.Module) -> None:
        """Reparametrise all layers for ``spectral`` and ``weight``; call it at the end of a constructor."""
        if normalize := NORMALIZATIONS[self.normalization].weight:
            for module in list(network.modules()):
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
                    normalize(module)
