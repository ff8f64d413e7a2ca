from typing import Any

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.objectives.losses import NonSaturating
from ganlab.systems import data_parallel as exchange
from ganlab.systems.adversary import Adversary
from ganlab.systems.data_parallel import PlayerParallel, flattened, spread
from ganlab.systems.gan import GAN
from ganlab.systems.update import sequential


def test_a_minibatch_sends_the_buffers_of_the_networks_and_not_of_their_averages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []

    def broadcast(values: Any) -> None:
        sent.append(sum(value.nbytes for value in values))

    monkeypatch.setattr(exchange, "broadcast", broadcast)
    monkeypatch.setattr(DDPStrategy, "training_step", lambda *_: "trained")
    optimizers = dict.fromkeys(("generator", "discriminator"), torch.optim.SGD)
    networks = Generator(16, width=2, latent_size=4), Discriminator(16, width=2)
    strategy = PlayerParallel()
    strategy.model = GAN(*networks, optimizers, Adversary(NonSaturating()), sequential(), half_life=100.0)
    assert strategy.training_step({}, 0) == "trained"
    buffers = sum(value.nbytes for network in networks for value in network.buffers())
    assert sent == [buffers] and buffers > 0
    strategy.configure_ddp()  # once, at the start
    assert sent[1] == sum(v.nbytes for v in (*strategy.model.parameters(), *strategy.model.buffers()))


def test_values_come_back_to_their_places_in_any_memory_format() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Conv2d(4, 2, 3, bias=False))
    network[0].to(memory_format=torch.channels_last)
    tensors = [value.detach() for value in network.parameters()]
    before = [value.clone() for value in tensors]
    flat = flattened(tensors)
    spread(2 * flat, tensors)
    for value, old in zip(tensors, before, strict=True):
        assert torch.equal(value, 2 * old) and value.stride() == old.stride()
