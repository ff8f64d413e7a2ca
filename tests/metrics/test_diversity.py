import pytest
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from ganlab.metrics.diversity import BETAS, CHUNK, KERNEL, dissimilarity, scales


@pytest.mark.parametrize(
    ("side", "count"), [(8, 1), (14, 2), (28, 3), (32, 3), (62, 3), (63, 4), (64, 4), (128, 5), (1024, 5)]
)
def test_as_many_scales_as_the_size_allows(side, count):
    assert scales(side, KERNEL) == count


@pytest.mark.parametrize("side", [8, 28, 56, 62, 64])
def test_equal_images_do_not_differ_and_noise_does(side):
    noise = torch.randint(0, 256, (16, 3, side, side), generator=torch.Generator().manual_seed(0)).byte()
    assert dissimilarity(noise[:1].repeat(16, 1, 1, 1)) == pytest.approx(0, abs=1e-6)
    assert 0.9 < dissimilarity(noise) <= 1
    mixed = noise.clone()
    mixed[:8] = noise[0]
    assert dissimilarity(mixed) == pytest.approx(9 / 16, abs=0.05)  # seven of sixteen neighbours are equal


def test_parts_of_a_set_give_the_number_of_the_whole():
    rng = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2 * CHUNK + 5, 3, 32, 32), generator=rng).byte()
    images[1::2] = images[::2][: len(images) // 2] // 2 + images[1::2] // 2
    floats, betas = images.float() / 255, BETAS[:3]
    whole = multiscale_structural_similarity_index_measure(
        floats, floats.roll(-1, 0), gaussian_kernel=False, kernel_size=KERNEL, data_range=1.0, normalize="relu",
        betas=tuple(beta / sum(betas) for beta in betas),
    )  # fmt: skip
    assert dissimilarity(images) == pytest.approx(1 - float(whole), abs=1e-6)
