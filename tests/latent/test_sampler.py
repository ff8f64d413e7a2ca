import pytest
import torch

from ganlab.latent.sampler import Sampler
from ganlab.networks.dcgan_conditional import Generator as Conditional
from ganlab.networks.statistics import batch_norms, standing_averages
from ganlab.systems.clock import generator_of


def test_images_stand_alone_with_standing_statistics_and_not_with_the_batchs(dcgan):
    latents = torch.rand(5, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    alone = Sampler(dcgan, batch_size=1)(latents).int()
    assert (alone - Sampler(dcgan, batch_size=4)(latents).int()).abs().max() <= 1  # rounding alone
    beside = [Sampler(dcgan, statistics="batch")(latents[:n])[:2].int() for n in (2, 5)]
    assert (beside[0] - beside[1]).abs().max() > 5


def test_shapes_stay_and_the_network_is_left_as_it_was(dcgan):
    before = {name: value.clone() for name, value in dcgan.state_dict().items()}
    assert Sampler(dcgan)(torch.zeros(2, 3, 6)).shape == (2, 3, 3, 16, 16)
    assert dcgan.training and all(norm.training for norm in batch_norms(dcgan))
    assert all(torch.equal(before[name], value) for name, value in dcgan.state_dict().items())


def test_classes_are_shown_one_at_a_time(dcgan):
    network = Conditional(image_size=16, channels=1, classes=3, width=2, latent_size=6)
    latents = Sampler(network, label=0).draw(2, 7)
    first, again, other = (Sampler(network, label=label)(latents) for label in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    for given, label, message in (
        (network, None, "give a label"),
        (network, 3, "has classes 0 to 2"),
        (dcgan, 0, "has no classes"),
    ):
        with pytest.raises(ValueError, match=message):
            Sampler(given, label=label)
    with pytest.raises(ValueError, match="batch norm's statistics 'frozen' does not exist; choose one of running"):
        Sampler(dcgan, statistics="frozen")


def test_standing_statistics_are_over_all_classes_and_a_stream_of_the_seed():
    network = Conditional(image_size=16, channels=1, classes=3, width=2, latent_size=6, standing_batches=2)
    rng, batches = generator_of(5, 0, 1), []
    for _ in range(2):
        latents = network.draw_latents(64, rng)
        batches.append((latents, torch.randint(3, (64,), generator=rng)))
    expected = standing_averages(network, batches)
    for pair, own in zip(expected, Sampler(network, label=1, seed=5).standing, strict=True):
        assert torch.equal(pair[0], own[0]) and torch.equal(pair[1], own[1])


def test_it_shows_what_the_system_shows(gan):
    latents = gan.generator.draw_latents(6, torch.Generator().manual_seed(2))
    shown = Sampler(gan.sampler("generator"), seed=gan.seed)(latents)
    assert torch.equal(shown, gan.show(latents, None, "standing"))
