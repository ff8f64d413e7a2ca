"""Several devices: what ranks exchange is the gradient of the player that steps, once, and the networks' buffers."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn


class PlayerParallel(DDPStrategy):
    """Data parallel without the wrapper `DistributedDataParallel`.

    The wrapper expects gradients of all networks in every backward pass. It searches for those that are frozen while
    another player steps, and reduces them nevertheless, which doubles the volume. Here the gradients of one player are
    averaged over the ranks in one message once they are complete.
    """

    def configure_ddp(self) -> None:
        """Give every rank the weights and buffers of the first."""
        assert self.model is not None
        broadcast([*self.model.parameters(), *self.model.buffers()])

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Give every rank the first one's buffers, such as running statistics, and train on a minibatch."""
        assert self.model is not None
        # Averages copy their buffers from the networks after every minibatch.
        broadcast(buffer for name, buffer in self.model.named_buffers() if not name.startswith("averages."))
        return super().training_step(*args, **kwargs)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of parameters by their mean over the ranks; those without one have none anywhere."""
        for tensors in by_type(p.grad for p in parameters if p.grad is not None):
            flat = flattened(tensors)
            dist.all_reduce(flat)
            spread(flat.div_(self.world_size), tensors)


def broadcast(values: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of the first rank."""
    for tensors in by_type(values):
        flat = flattened(tensors)
        dist.broadcast(flat, 0)
        spread(flat, tensors)


def by_type(values: Iterable[Tensor]) -> list[list[Tensor]]:
    """Return tensors in groups of one type each, in an order that is the same on all ranks."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for value in values:
        groups.setdefault(value.dtype, []).append(value.detach())
    return list(groups.values())


def flattened(tensors: list[Tensor]) -> Tensor:
    """Return the values of tensors one after the other (n,), whatever their memory format."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def spread(flat: Tensor, tensors: list[Tensor]) -> None:
    """Write the values (n,) back into the tensors."""
    parts = flat.split([tensor.numel() for tensor in tensors])
    torch._foreach_copy_(tensors, [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)])
