"""Latent directions that change one attribute of the image (paper sec. 6.3.2, figure 8)."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor


def turn_vector(left: Tensor, right: Tensor) -> Tensor:
    """Return mean(right) - mean(left), (latent_size,), of exemplars (n, latent_size); the paper takes four of each."""
    return right.mean(dim=0) - left.mean(dim=0)


def along(latents: Tensor, direction: Tensor, steps: int, reach: float = 1.0) -> Tensor:
    """Return rows (R, steps, latent_size): each latent moved from ``-reach`` to ``reach`` times the direction.

    The latents (R, latent_size) are the middle of each row if ``steps`` is odd. The paper has 5 rows of 11 images.
    """
    return latents[:, None] + multiples(steps, reach).to(latents)[None, :, None] * direction.to(latents)


def multiples(steps: int, reach: float) -> Tensor:
    """Return the multiples of the direction (steps,) that `along` adds; ``ValueError`` for a single step."""
    if steps < 2:
        raise ValueError(f"{steps} steps along a direction go nowhere: give two or more")
    return (2 * torch.arange(steps) - (steps - 1)) / (steps - 1) * reach


def regression_direction(latents: Tensor, values: Tensor) -> Tensor:
    """Return the unit vector (latent_size,) along which values (N,) grow, by linear regression on latents."""
    _require(latents, values)
    centred = latents.double() - latents.double().mean(dim=0)
    found = torch.linalg.lstsq(centred, (values.double() - values.double().mean())[:, None]).solution[:, 0]
    return _unit(found).to(latents)


def classification_direction(latents: Tensor, labels: Tensor, strength: float = 1.0) -> Tensor:
    """Return the unit normal (latent_size,) of a logistic regression, from label 0 towards label 1.

    ``strength`` is scikit-learn's ``C``, the inverse of the L2 penalty. Other labels raise ``ValueError``.
    """
    _require(latents, labels)
    if not set(labels.unique().tolist()) <= {0, 1}:
        raise ValueError(f"the labels are {labels.unique().tolist()}: give 0 for without and 1 for with")
    model = LogisticRegression(C=strength, max_iter=1000).fit(latents.double().numpy(), labels.numpy().astype(np.int64))
    return _unit(torch.from_numpy(model.coef_[0])).to(latents)


def orthogonalise(direction: Tensor, others: Tensor) -> Tensor:
    """Return the unit vector (latent_size,) of the part of a direction that is orthogonal to others (K, latent_size).

    Moving along it changes nothing that is linear in the others: a turn without a change of smile. ``ValueError`` if
    nothing is left.
    """
    values, wide = _unit(direction.double()), others.double()
    _, sizes, basis = torch.linalg.svd(wide, full_matrices=False)
    basis = basis[sizes > 1e-9 * sizes.max()]
    left = values - basis.T @ (basis @ values)
    left = left - basis.T @ (basis @ left)  # a second pass removes the rounding errors of the first
    if left.norm() < 1e-6:
        raise ValueError("the direction lies within the span of the others: name fewer of them")
    return _unit(left).to(direction)


def _unit(vector: Tensor) -> Tensor:
    length = vector.norm()
    if not length > 0:
        raise ValueError("a direction of length 0 leads nowhere")
    return vector / length


def _require(latents: Tensor, values: Tensor) -> None:
    if len(latents) != len(values) or len(latents) <= latents.shape[1]:
        raise ValueError(
            f"{len(latents)} latents of {latents.shape[1]} coordinates and {len(values)} values: give one value per "
            f"latent, and more than {latents.shape[1]} of both"
        )
    if len(values.unique()) < 2:
        raise ValueError(f"all values are {values[0].item()}: a direction needs latents that differ in it")
