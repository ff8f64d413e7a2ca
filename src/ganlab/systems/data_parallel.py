"""Several devices: what ranks exchange is the gradient of the player that steps, once, and the networks' buffers."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

PATIENCE = timedelta(days=7)  # gloo counts milliseconds in 32 bits


class PlayerParallel(DDPStrategy):
    """Data parallel without the wrapper `DistributedDataParallel`.

    The wrapper expects gradients of all networks in every backward pass. It searches for those that are frozen while
    another player steps, and reduces them nevertheless, which doubles the volume. Here the gradients of one player are
    averaged over the ranks in one message once they are complete.

    Ranks may wait for each other for days, as for the first to pack; `ganlab.runs.peers` notices one that has gone.
    """

    def __init__(self) -> None:
        super().__init__(timeout=PATIENCE)

    def configure_ddp(self) -> None:
        """Give every rank the weights and buffers of the first; there is no wrapper to configure."""
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

        def average(flat: Tensor) -> None:
            dist.all_reduce(flat)
            flat.div_(self.world_size)

        exchange([p.grad for p in parameters if p.grad is not None], average)


def broadcast(values: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of the first rank."""
    exchange(values, lambda flat: dist.broadcast(flat, 0))


def exchange(values: Iterable[Tensor], collective: Callable[[Tensor], Any]) -> None:
    """Apply a collective operation to tensors, in one message per type, in an order that is the same on all ranks."""
    groups: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for value in values:
        groups[value.dtype].append(value.detach())
    for tensors in groups.values():
        flat = flattened(tensors)
        collective(flat)
        spread(flat, tensors)


def flattened(tensors: list[Tensor]) -> Tensor:
    """Return the values of tensors in one vector, whatever their memory format."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def spread(flat: Tensor, tensors: list[Tensor]) -> None:
    """Write the values of a vector back into tensors."""
    parts = flat.split([tensor.numel() for tensor in tensors])
    # One kernel, which has no public name; tests/systems/test_data_parallel.py watches it.
    torch._foreach_copy_(tensors, [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)])
