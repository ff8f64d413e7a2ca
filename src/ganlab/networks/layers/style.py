"""What follows the weights of a layer: normalisation, activation and dropout, each variant under its name."""

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

from torch import nn
from torch.nn.utils import parametrizations

from ganlab.networks.layers.choosing import choose

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)  # the last in the place of both, on several devices
NORMS = (*BATCH_NORMS, nn.GroupNorm)
MAPS_PER_GROUP = 16  # of group normalisation (Wu and He 2018, table 3)


@dataclass(frozen=True)
class Normalization:
    """One way of normalising a network.

    Attributes:
        maps: makes what follows a convolution to so many maps, from (maps, eps); None for nothing.
        units: makes what follows a linear layer, from (units, maps that they form or 1, eps); None for nothing.
        everywhere: whether the generator's output and the discriminator's input are normalised as well.
        weights: changes a layer so that its weights are normalised; None to leave them.
    """

    maps: Callable[[int, float], nn.Module] | None = None
    units: Callable[[int, int, float], nn.Module] | None = None
    everywhere: bool = False
    weights: Callable[[nn.Module], nn.Module] | None = None


def _batch(everywhere: bool) -> Normalization:
    return Normalization(
        lambda maps, eps: nn.BatchNorm2d(maps, eps=eps),
        lambda units, maps, eps: nn.BatchNorm1d(units, eps=eps),
        everywhere,
    )


def _grouped(groups_of: Callable[[int], int]) -> Normalization:
    """Statistics of each image alone; the units of a map lie next to each other, so they form its groups as well."""
    return Normalization(
        lambda maps, eps: nn.GroupNorm(groups_of(maps), maps, eps=eps),
        lambda units, maps, eps: nn.GroupNorm(groups_of(maps), units, eps=eps),
    )


def _weight_norm(layer: nn.Module) -> nn.Module:
    """Give each output of a layer a length of its own; a transposed convolution counts its outputs second."""
    return parametrizations.weight_norm(layer, dim=int(isinstance(layer, nn.ConvTranspose2d)))


NORMALIZATIONS: dict[str, Normalization] = {
    "batch": _batch(everywhere=False),
    "none": Normalization(),
    "all_layers": _batch(everywhere=True),
    "instance": _grouped(lambda maps: maps),  # Ulyanov et al. 2016; with one map, as in hidden units, layer
    "layer": _grouped(lambda maps: 1),  # Ba et al. 2016
    "group": _grouped(lambda maps: gcd(maps, max(maps // MAPS_PER_GROUP, 1))),
    "spectral": Normalization(weights=parametrizations.spectral_norm),  # Miyato et al. 2018
    "weight": Normalization(weights=_weight_norm),  # Salimans and Kingma 2016
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
class Finish:
    """How the layers of one network go on after their weights.

    Args:
        normalization: a name in ``NORMALIZATIONS``. The paper's exceptions hold, the generator's output and the
            discriminator's input, but for ``all_layers`` and for what normalises weights, ``spectral`` and ``weight``.
        activation: a name in ``ACTIVATIONS``.
        slope: of ``leaky_relu`` for negative inputs.
        dropout: share of the values that are dropped in training, 0 for none.
        eps: added to the variance.
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
        """Whether a hidden layer has a bias of its own: where no normalisation after it brings one."""
        return NORMALIZATIONS[self.normalization].maps is None

    def maps(self, maps: int) -> list[nn.Module]:
        """Return what follows a hidden convolution."""
        make = NORMALIZATIONS[self.normalization].maps
        return [*([make(maps, self.eps)] if make else []), *self.activated()]

    def units(self, units: int, maps: int) -> list[nn.Module]:
        """Return what follows a hidden linear layer whose units are to form ``maps`` feature maps, or 1 for none."""
        make = NORMALIZATIONS[self.normalization].units
        return [*([make(units, maps, self.eps)] if make else []), *self.activated()]

    def ends(self, maps: int) -> list[nn.Module]:
        """Return what follows the layer next to the image, before its activation: by default nothing."""
        made = NORMALIZATIONS[self.normalization]
        return [made.maps(maps, self.eps)] if made.maps and made.everywhere else []

    def activated(self) -> list[nn.Module]:
        """Return activation and dropout."""
        dropout = [nn.Dropout(self.dropout)] if self.dropout else []
        return [ACTIVATIONS[self.activation](self.slope), *dropout]

    def normalize_weights(self, network: nn.Module) -> None:
        """Normalise the weights of all layers, where that is the normalisation: for the end of a constructor.

        Spectral norm takes one power iteration at each forward pass in training; its vectors are buffers.
        """
        if weights := NORMALIZATIONS[self.normalization].weights:
            for module in list(network.modules()):
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
                    weights(module)
