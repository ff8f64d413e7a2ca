"""Loads the weights that the DCGAN authors released (Newmu/dcgan_code, MIT).

Theano convolves where PyTorch cross-correlates, so every kernel is flipped along both spatial axes. The authors keep no
running averages: sample with batch statistics, ``ganlab.networks.statistics.sampling(generator, "batch")``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.networks.layers.style import BATCH_NORMS


def load_generator(path: str | Path, prior: str = "normal") -> Generator:
    """Load a generator of the layout: linear, batch norm, (deconvolution, batch norm) a scale, deconvolution.

    ``path`` is an ``.npz`` with the arrays ``gen_01, gen_02, ...``, or the prefix of the authors' own files
    ``PREFIX_01.npy, ...`` (``..._gen_params.jl``); nothing is unpickled. ``prior`` is ``normal`` for the released SVHN
    weights, ``uniform`` for the authors' other models.
    """
    with _known_layout(path, "generator"):
        arrays = _arrays(path, "gen")
        linear, kernels = arrays[0], [a[:, :, ::-1, ::-1] for a in arrays if a.ndim == 4]
        latent_size, units = linear.shape
        width, channels, kernel, _ = kernels[-1].shape
        image_size = round((units / kernels[0].shape[0]) ** 0.5) * 2 ** len(kernels)
        generator = Generator(image_size, channels, width, latent_size, prior, kernel)
        _fill(generator, [linear.T, *kernels], [a for a in arrays if a.ndim == 1])
    return generator


def load_discriminator(path: str | Path) -> Discriminator:
    """Load a discriminator of the layout: convolution, (convolution, batch norm) a scale, linear to one logit.

    ``path`` is that of `load_generator`, with arrays ``discrim_01, ...`` or files ``..._discrim_params.jl``.
    """
    with _known_layout(path, "discriminator"):
        arrays = _arrays(path, "discrim")
        linear, kernels = arrays[-1], [a[:, :, ::-1, ::-1] for a in arrays if a.ndim == 4]
        width, channels, kernel, _ = kernels[0].shape
        image_size = round((linear.shape[0] / kernels[-1].shape[0]) ** 0.5) * 2 ** len(kernels)
        discriminator = Discriminator(image_size, channels, width, kernel)
        _fill(discriminator, [*kernels, linear.T], [a for a in arrays if a.ndim == 1])
    return discriminator


@contextmanager
def _known_layout(path: str | Path, network: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{path} does not hold a {network} of the authors' 5x5, stride 2 layout: {error}") from error


def _arrays(path: str | Path, name: str) -> list[np.ndarray]:
    path = Path(path)
    if path.suffix == ".npz" and path.is_file():
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[key] for key in sorted(archive.files) if key.startswith(f"{name}_")]
    else:
        files = sorted(path.parent.glob(f"{path.name}_[0-9][0-9].npy"))
        files = files or sorted(path.parent.glob(f"{path.name}.jl_[0-9][0-9].npy"))
        arrays = [np.load(file, allow_pickle=False) for file in files]
    if not arrays:
        raise UserError(
            f"no weights at {path}: give an .npz with arrays {name}_01, {name}_02, ..., "
            f"or the prefix of the authors' files, PREFIX_01.npy, PREFIX_02.npy, ..."
        )
    return arrays


def _fill(network: nn.Module, weights: list[np.ndarray], vectors: list[np.ndarray]) -> None:
    """Copy weights, and gains and biases of the batch norms, into the network in the order of its modules."""
    modules = list(network.modules())
    targets: list[Tensor] = [m.weight for m in modules if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]
    norms = [m for m in modules if isinstance(m, BATCH_NORMS)]
    pairs = list(zip(targets, weights, strict=True))
    pairs += zip([v for norm in norms for v in (norm.weight, norm.bias)], vectors, strict=True)
    with torch.no_grad():
        for target, array in pairs:
            if target.shape != array.shape:
                raise ValueError(f"found an array of shape {array.shape}, expected {tuple(target.shape)}")
            target.copy_(torch.from_numpy(np.ascontiguousarray(array)))
