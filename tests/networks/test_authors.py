from pathlib import Path

import numpy as np
import pytest
import torch

from ganlab.errors import UserError
from ganlab.networks.authors import load_discriminator, load_generator
from ganlab.networks.statistics import sampling

EPS = 1e-8


def made_up_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights in the layout of the released SVHN networks, a few maps wide."""
    rng = np.random.default_rng(seed)
    shapes = {
        "gen_01": (6, 4 * 16), "gen_02": (64,), "gen_03": (64,), "gen_04": (4, 2, 5, 5), "gen_05": (2,), "gen_06": (2,),
        "gen_07": (2, 3, 5, 5), "discrim_01": (2, 3, 5, 5), "discrim_02": (4, 2, 5, 5), "discrim_03": (4,),
        "discrim_04": (4,), "discrim_05": (4 * 16, 1),
    }  # fmt: skip
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def normalise(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> np.ndarray:
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    shape = (1, -1) if x.ndim == 2 else (1, -1, 1, 1)
    scaled = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPS)
    return scaled * gain.reshape(shape) + bias.reshape(shape)


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Theano's convolution: the kernel turned by 180 degrees slides over the image padded by 2, stride 2."""
    count, _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    out = np.zeros((count, kernel.shape[0], height // 2, width // 2))
    for i in range(height // 2):
        for j in range(width // 2):
            window = padded[:, :, 2 * i : 2 * i + 5, 2 * j : 2 * j + 5]
            out[:, :, i, j] = np.einsum("nchw,ochw->no", window, kernel[:, :, ::-1, ::-1])
    return out


def deconvolve(y: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The gradient of `convolve` with respect to its input: each value of y spreads the turned kernel."""
    count, _, height, width = y.shape
    padded = np.zeros((count, kernel.shape[1], 2 * height + 4, 2 * width + 4))
    for i in range(height):
        for j in range(width):
            padded[:, :, 2 * i : 2 * i + 5, 2 * j : 2 * j + 5] += np.einsum(
                "no,ochw->nchw", y[:, :, i, j], kernel[:, :, ::-1, ::-1]
            )
    return padded[:, :, 2:-2, 2:-2]


def authors_generator(w: dict[str, np.ndarray], z: np.ndarray) -> np.ndarray:
    h = np.maximum(normalise(z @ w["gen_01"], w["gen_02"], w["gen_03"]), 0).reshape(-1, 4, 4, 4)
    h = np.maximum(normalise(deconvolve(h, w["gen_04"]), w["gen_05"], w["gen_06"]), 0)
    return np.tanh(deconvolve(h, w["gen_07"]))


def authors_discriminator(w: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    def leaky(h: np.ndarray) -> np.ndarray:
        return np.where(h > 0, h, 0.2 * h)

    h = leaky(convolve(x, w["discrim_01"]))
    h = leaky(normalise(convolve(h, w["discrim_02"]), w["discrim_03"], w["discrim_04"]))
    return (h.reshape(len(x), -1) @ w["discrim_05"])[:, 0]


@pytest.fixture(params=["npz", "prefix", "prefix without .jl"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, dict[str, np.ndarray]]:
    weights = made_up_weights()
    if request.param == "npz":
        np.savez(tmp_path / "weights.npz", **weights, meta="made up")
        return tmp_path / "weights.npz", tmp_path / "weights.npz", weights
    for name, array in weights.items():
        network, _, number = name.partition("_")
        np.save(tmp_path / f"model_{network}_params.jl_{number}.npy", array)
    end = ".jl" if request.param == "prefix" else ""
    return tmp_path / f"model_gen_params{end}", tmp_path / f"model_discrim_params{end}", weights


def test_loaded_networks_compute_what_the_authors_compute(stored: tuple[Path, Path, dict[str, np.ndarray]]) -> None:
    generator, discriminator = load_generator(stored[0]), load_discriminator(stored[1])
    weights = stored[2]
    latents = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    expected = authors_generator(weights, latents)
    with sampling(generator, "batch"):
        images = generator(torch.from_numpy(latents))
    assert images.shape == (5, 3, 16, 16)
    np.testing.assert_allclose(images.numpy(), expected, atol=2e-5)
    with sampling(discriminator, "batch"):
        logits = discriminator(torch.from_numpy(expected.astype(np.float32)))
    np.testing.assert_allclose(logits.numpy(), authors_discriminator(weights, expected), rtol=1e-3, atol=1e-3)


def test_missing_and_strange_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights at"):
        load_generator(tmp_path / "nothing")
    weights = made_up_weights()
    weights["gen_04"] = weights["gen_04"][:, :, :3, :3]
    np.savez(tmp_path / "strange.npz", **weights)
    with pytest.raises(UserError, match="does not hold a generator"):
        load_generator(tmp_path / "strange.npz")
    del weights["discrim_05"]
    np.savez(tmp_path / "strange.npz", **weights)
    with pytest.raises(UserError, match="does not hold a discriminator"):
        load_discriminator(tmp_path / "strange.npz")
