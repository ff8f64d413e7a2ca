import torch

from ganlab.networks import dcgan
from ganlab.probes.activation_maximisation import maximise_activations
from ganlab.probes.layers import find_layers, recorded


def test_the_response_grows_and_pixels_stay_in_range() -> None:
    torch.manual_seed(0)
    network = dcgan.Discriminator(16, width=4).eval()
    image = torch.zeros(1, 3, 16, 16)
    layer = find_layers(network, image)[-1]
    options = {"lr": 0.1, "jitter": 1, "value_range": (-1.0, 1.0)}
    start, ideal = (maximise_activations(network, image, layer, [0, 5], steps=steps, **options) for steps in (1, 40))
    assert ideal.shape == (2, 3, 16, 16) and ideal.abs().max() <= 1 and not ideal.requires_grad
    with recorded(network, [layer]) as maps, torch.no_grad():
        network(start)
        first = maps[layer.name][[0, 1], [0, 5]].mean((1, 2))
        network(ideal)
        assert (maps[layer.name][[0, 1], [0, 5]].mean((1, 2)) > first + 0.05 * first.abs()).all()
    assert torch.equal(ideal, maximise_activations(network, image, layer, [0, 5], steps=40, **options))


def test_total_variation_makes_it_smoother() -> None:
    torch.manual_seed(0)
    network = dcgan.Discriminator(16, width=4)
    image = torch.zeros(1, 3, 16, 16)
    layer = find_layers(network, image)[0]

    def roughness(weight: float) -> float:
        images = maximise_activations(network, image, layer, [1], steps=30, lr=0.1, total_variation=weight)
        return images.diff(dim=2).abs().mean().item()

    assert roughness(3.0) < 0.7 * roughness(0.0)
