"""The first minibatch on PyTorch's meta device, which has shapes but neither memory nor numbers.

It finds what cannot work before data are read: sizes that do not fit each other, batch norm with one value a channel.
"""

from itertools import chain
from types import SimpleNamespace
from typing import Any

import torch

from ganlab.errors import UserError
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.adversary import Adversary
from ganlab.systems.clock import generator_of

META = torch.device("meta")
ONE_VALUE = "Expected more than 1 value per channel"  # PyTorch's, of batch and group norm


class OneValueError(Exception):
    """A norm would see one value a channel."""


def size_of(system: AdversarialSystem) -> int:
    """Return the bytes of the weights and buffers of a system."""
    return sum(values.nbytes for values in chain(system.parameters(), system.buffers()))


def rehearse(
    system: AdversarialSystem, images: int, image_size: int, channels: int, input_channels: int | None = None
) -> None:
    """Compute each player's loss on ``images`` square pictures; augmentations and penalties are left out.

    Args:
        system: on the meta device; it cannot be used for anything else afterwards.
        images: that pass through the networks at a time.
        image_size: side of the pictures in pixels.
        channels: of the pictures.
        input_channels: of those to translate; None for ``channels``.

    Raises:
        OneValueError: a norm would see one value a channel.
        UserError: the networks do not fit each other, or the pictures.
    """
    for module in system.modules():
        if isinstance(module, Adversary):
            module.joint &= not module.differentiated_twice  # penalties look at the real images alone
            module.penalties, module.augmentations, module.pool = torch.nn.ModuleDict(), torch.nn.ModuleList(), None
    system.trainer = SimpleNamespace(world_size=1, global_rank=0)  # type: ignore[assignment]
    pictures = torch.empty(images, image_size, image_size, channels, dtype=torch.uint8, device=META)
    batch: dict[str, Any] = dict.fromkeys(system.learns_from, pictures)
    if "inputs" in batch:
        batch["inputs"] = pictures[..., :1].expand(-1, -1, -1, input_channels or channels)
    if "masks" in batch:
        batch["masks"] = pictures[..., 0].bool()
    if system.classes:
        batch["labels"] = torch.empty(images, dtype=torch.long, device=META)
    try:
        drawn = system.draw(system.prepare(batch), generator_of(0))
        for player in system.players:
            fakes = system.generate(drawn)
            whole = "images" in fakes and "masks" not in batch  # else a part, which the losses compare
            if whole and (made := fakes["images"].shape[1:]) != (channels, image_size, image_size):
                size, wanted = f"{made[2]}x{made[1]}x{made[0]}", f"{image_size}x{image_size}x{channels}"
                raise UserError(f"the generator makes images of {size}, and the data has {wanted}: make them equal")
            system.loss(player, drawn, fakes)
    except (RuntimeError, ValueError) as error:
        if ONE_VALUE in str(error):
            raise OneValueError from error
        if "meta" not in str(error):  # else an operation that needs numbers
            reason = str(error).partition("\n")[0]
            raise UserError(f"the networks do not fit each other or the images: {reason}") from error
