import pytest
import torch

from ganlab.latent.sampler import Sampler
from ganlab.networks.statistics import batch_norms, standing_averages
from ganlab.systems.clock import generator_of
from ganlab.systems.request import Request


def test_images_stand_alone_with_standing_statistics_and_not_with_the_batchs(gan):
    latents = torch.rand(5, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    alone = torch.cat([Sampler(gan)(latents[n : n + 1]) for n in range(5)]).int()
    assert (alone - Sampler(gan)(latents).int()).abs().max() <= 1  # rounding alone
    mates = [Sampler(gan, statistics="batch")(latents[:n])[:2].int() for n in (2, 5)]
    assert (mates[0] - mates[1]).abs().max() > 5


def test_shapes_stay_and_the_network_is_left_as_it_was(gan):
    generator = gan.generator.train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    assert Sampler(gan)(torch.zeros(2, 3, 6)).shape == (2, 3, 3, 16, 16)
    assert generator.training and all(norm.training for norm in batch_norms(generator))
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())


def test_classes_are_sampled_one_at_a_time(gan, conditional_gan):
    latents = Sampler(conditional_gan, label=0).draw(2, 7)
    first, again, other = (Sampler(conditional_gan, label)(latents) for label in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    for system, label, message in (
        (conditional_gan, None, "give a label"),
        (conditional_gan, 3, "has classes 0 to 2"),
        (gan, 0, "has no classes"),
    ):
        with pytest.raises(ValueError, match=message):
            Sampler(system, label=label)
    with pytest.raises(ValueError, match="batch norm's statistics 'frozen' does not exist; choose one of running"):
        Sampler(gan, statistics="frozen")


def test_standing_statistics_are_over_all_classes_and_a_stream_of_the_seed(conditional_gan):
    network, rng, batches = conditional_gan.generator, generator_of(3, 0, 1), []
    for _ in range(2):
        latents = network.draw_latents(64, rng)
        batches.append((latents, torch.randint(3, (64,), generator=rng)))
    expected = standing_averages(network, batches)
    for pair, own in zip(expected, Sampler(conditional_gan, label=1).system.standing(), strict=True):
        assert torch.equal(pair[0], own[0]) and torch.equal(pair[1], own[1])


def test_its_images_are_the_systems(gan):
    latents = gan.generator.draw_latents(100, generator_of(5, 0))
    assert torch.equal(Sampler(gan)(latents), gan.respond(Request.first(100, statistics="standing"), 5))
