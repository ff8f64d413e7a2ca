"""Batch norm's statistics when a network is sampled."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.networks.layers.style import BATCH_NORMS

STATISTICS = dict.fromkeys(("running", "batch", "standing"))  # described in `sampling`
Averages = list[tuple[Tensor | None, Tensor | None]]  # mean and variance of each batch norm, in the modules' order


@contextmanager
def sampling(
    network: nn.Module,
    statistics: str,
    standing: Averages | None = None,
    gradients: bool = False,
    dropout: bool = False,
) -> Iterator[None]:
    """Put ``network`` into sampling mode for the block, and leave it as it was.

    Batch norm uses ``running`` averages, as in ``eval()``; statistics of the ``batch``, as the authors always do, with
    which a sample depends on its batch; or the ``standing`` ones of `standing_averages`. With ``gradients`` a graph is
    recorded where gradients are enabled; with ``dropout`` values are dropped as in training.
    """
    norms = batch_norms(network)
    averages: Averages = [(norm.running_mean, norm.running_var) for norm in norms]
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.training = dropout
        if statistics == "batch":  # without averages batch norm uses the batch and updates nothing
            _set(norms, [(None, None)] * len(norms))
        elif statistics == "standing":
            assert standing is not None, "call standing_averages first"
            _set(norms, standing)
        with torch.set_grad_enabled(gradients and torch.is_grad_enabled()):
            yield
    finally:
        _set(norms, averages)
        for module, training in modes:
            module.training = training


def standing_averages(network: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> Averages:
    """Return each batch norm's mean and variance, averaged over batches of inputs (Brock et al. 2019, sec. 3.1).

    Each batch is normalised by its own statistics, as in training; dropout and power iteration are off.
    """
    norms, count = batch_norms(network), 0
    totals = [(torch.zeros_like(norm.running_mean), torch.zeros_like(norm.running_var)) for norm in norms]

    def add(norm: nn.Module, given: tuple[Tensor]) -> None:
        values = given[0].float()
        mean, variance = totals[norms.index(norm)]
        axes = [axis for axis in range(values.dim()) if axis != 1]
        mean += values.mean(axes)
        variance += values.var(axes, unbiased=False)

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    try:
        for batch in inputs:
            with sampling(network, "batch"):
                network(*batch)
            count += 1
    finally:
        for hook in hooks:
            hook.remove()
    return [(mean / count, variance / count) for mean, variance in totals]


def batch_norms(network: nn.Module) -> list[Any]:
    """Return the network's batch norms in the order of its modules."""
    return [module for module in network.modules() if isinstance(module, BATCH_NORMS)]


def _set(norms: list[Any], averages: Averages) -> None:
    for norm, (mean, variance) in zip(norms, averages, strict=True):
        norm.running_mean, norm.running_var = mean, variance
