"""Directions of the latent space along which one thing changes (paper sec. 6.3.2, Fig. 8)."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor


def turn(left: Tensor, right: Tensor) -> Tensor:
    """Return the vector (latent_size,) from the mean of exemplars (n, latent_size) to the mean of others.

    The paper's turn vector is made of four that look left and four that look right.
    """
    return right.mean(dim=0) - left.mean(dim=0)


def along(latents: Tensor, direction: Tensor, steps: int, reach: float = 1.0) -> Tensor:
    """Return rows (R, steps, latent_size): each latent moved from ``-reach`` to ``reach`` times the direction.

    The paper's figure has 5 rows of 11, and does not tell the reach.

    Args:
        latents: (R, latent_size), the middle of its row for odd ``steps``.
        direction: (latent_size,), of `turn` or of unit length times a length.
        steps: latents of a row.
        reach: farthest multiple of the direction.
    """
    return latents[:, None] + steps_of(steps, reach).to(latents)[None, :, None] * direction.to(latents)


def steps_of(steps: int, reach: float) -> Tensor:
    """Return the multiples of the direction (steps,) that `along` adds; 0 in the middle of an odd number.

    Raises:
        ValueError: a single step.
    """
    if steps < 2:
        raise ValueError(f"{steps} steps along a direction go nowhere: give two or more")
    return (2 * torch.arange(steps) - (steps - 1)) / (steps - 1) * reach


def regressed(latents: Tensor, values: Tensor) -> Tensor:
    """Return the unit vector (latent_size,) along which a value grows, by linear regression with an intercept.

    Args:
        latents: (N, latent_size), more of them than coordinates.
        values: (N,), such as a pose.

    Raises:
        ValueError: too few latents, or all of one value.
    """
    _require(latents, values)
    centred = latents.double() - latents.double().mean(dim=0)
    found = torch.linalg.lstsq(centred, (values.double() - values.double().mean())[:, None]).solution[:, 0]
    return _unit(found).to(latents)


def classified(latents: Tensor, labels: Tensor, strength: float = 1.0) -> Tensor:
    """Return the unit vector (latent_size,) from what has an attribute not to what has it, by logistic regression.

    Args:
        latents: (N, latent_size), more of them than coordinates.
        labels: (N,), 0 or 1 each, such as a classifier's answers.
        strength: inverse of the L2 penalty, scikit-learn's ``C``.

    Raises:
        ValueError: too few latents, all of one label, or other labels than 0 and 1.
    """
    _require(latents, labels)
    if not set(labels.unique().tolist()) <= {0, 1}:
        raise ValueError(f"the labels are {labels.unique().tolist()}: give 0 for without and 1 for with")
    model = LogisticRegression(C=strength, max_iter=1000).fit(latents.double().numpy(), labels.numpy().astype(np.int64))
    return _unit(torch.from_numpy(model.coef_[0])).to(latents)


def orthogonalised(direction: Tensor, others: Tensor) -> Tensor:
    """Return the unit vector (latent_size,) of what is left of a direction without its part along others.

    Moving along it leaves what is linear in the others as it is: a turn without a change of smile.

    Args:
        direction: (latent_size,).
        others: (K, latent_size), of any lengths; they may depend on each other.

    Raises:
        ValueError: nothing is left.
    """
    values, wide = _unit(direction.double()), others.double()
    _, sizes, basis = torch.linalg.svd(wide, full_matrices=False)
    basis = basis[sizes > 1e-9 * sizes.max()]
    left = values - basis.T @ (basis @ values)
    left = left - basis.T @ (basis @ left)  # once more: the first pass leaves rounding errors of the part removed
    if left.norm() < 1e-6:
        raise ValueError("the direction lies within the others: nothing of it is left; name fewer of them")
    return _unit(left).to(direction)


def _unit(vector: Tensor) -> Tensor:
    length = vector.norm()
    if not length > 0:
        raise ValueError("a direction of length 0 leads nowhere")
    return vector / length


def _require(latents: Tensor, values: Tensor) -> None:
    if len(latents) != len(values) or len(latents) <= latents.shape[1]:
        raise ValueError(
            f"{len(latents)} latents of {latents.shape[1]} coordinates and {len(values)} values: give one value a "
            f"latent, and more than {latents.shape[1]} of both"
        )
    if len(values.unique()) < 2:
        raise ValueError(f"all values are {values[0].item()}: a direction needs latents that differ in it")
