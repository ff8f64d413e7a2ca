"""Nothing trained is left of a network with random weights."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ganlab.networks import dcgan, resnet, sndcgan
from ganlab.networks.statistics import batch_norms
from ganlab.probes.layers import find_layers, recorded
from ganlab.probes.random_weights import random_filters, randomise
from ganlab.probes.supervised import classifier_like

TRAINED = 7.0  # the value of all that was learned
NORMALIZATIONS = ["none", "spectral", "weight"]
WEIGHTED = (nn.Conv2d, nn.Linear, nn.Embedding)


def trained(make: Callable[..., nn.Module], normalization: str, width: int = 4) -> nn.Module:
    network = make(32, width=width, normalization=normalization)
    with torch.no_grad():
        for values in [*network.parameters(), *(value for value in network.buffers() if value.is_floating_point())]:
            values.fill_(TRAINED)
    return network


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize(
    "begin", [random_filters, lambda network, seed: classifier_like(network, 10, seed)], ids=["filters", "classifier"]
)
@pytest.mark.parametrize("make", [sndcgan.Discriminator, resnet.Discriminator])
def test_no_trained_value_is_left(make: Callable, begin: Callable, normalization: str) -> None:
    given = trained(make, normalization)
    network = begin(given, 0)
    for name, values in (*network.named_parameters(), *network.named_buffers()):
        assert not (values == TRAINED).any(), name
    modules = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    assert all((module.bias == 0).all() for module in modules)
    for module in modules:
        weight = module.weight.detach().flatten(1)
        if nn.utils.parametrize.is_parametrized(module) and normalization == "spectral":
            assert 1 - 1e-4 <= torch.linalg.matrix_norm(weight, 2) < 1.05  # as PyTorch leaves it
        else:
            assert 0.005 < weight.square().mean().sqrt() < 0.04
    assert all((value == TRAINED).all() for value in given.parameters())
    assert [module.training for module in network.modules()] == [True] * len([*network.modules()])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_features_are_as_large_as_those_of_a_network_just_built(normalization: str) -> None:
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def sizes(network: nn.Module) -> torch.Tensor:
        layers = find_layers(network, images[:1])
        with recorded(network.eval(), layers) as maps, torch.no_grad():
            network(images)
        return torch.stack([maps[layer.name].square().mean().sqrt() for layer in layers])

    torch.manual_seed(3)
    built = sndcgan.Discriminator(32, width=8, normalization=normalization)
    drawn = random_filters(trained(sndcgan.Discriminator, normalization, 8), 5)
    ratios = sizes(drawn) / sizes(built)
    assert ((ratios > 1 / 3) & (ratios < 3)).all()  # some 10 % a layer; one that was trained here is 350 times as large


def test_modes_batch_norms_and_embeddings() -> None:
    torch.manual_seed(0)
    network = dcgan.Discriminator(16, width=2).eval()
    network(torch.randn(4, 3, 16, 16))
    norm = batch_norms(network)[0]
    norm.running_mean.fill_(TRAINED)
    randomise(network, 0)
    assert not network.training and (norm.running_mean == 0).all() and (norm.running_var == 1).all()
    assert 0.9 < norm.weight.mean() < 1.1
    conditional = resnet.Discriminator(32, 3, 5, width=4).eval()
    before, state = conditional.embedding.weight.clone(), torch.get_rng_state()
    fresh = random_filters(conditional, 0)
    assert torch.equal(state, torch.get_rng_state()) and not any(module.training for module in fresh.modules())
    assert not torch.isclose(fresh.embedding.weight, before).any()
    assert torch.equal(conditional.embedding.weight, before)
