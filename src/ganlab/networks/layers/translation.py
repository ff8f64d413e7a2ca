"""What networks that take pictures share: norms of hidden convolutions, the dropout of U-Nets, checks of sizes."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.networks.layers.choosing import choose

# Instance norm has no gain and no bias, as in the PyTorch CycleGAN and pix2pix repository; the authors' Lua has them.
HIDDEN_NORMS: dict[str, Callable[..., nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": nn.InstanceNorm2d,
    "none": lambda channels, eps: nn.Identity(),
}
# Levels of a U-Net of ``depth`` whose up-sampling is followed by dropout; level 0 is next to the image.
UNET_DROPOUTS: dict[str, Callable[[int], range]] = {
    "lua": lambda depth: range(depth - 3, depth),  # the innermost and the next two
    "pytorch": lambda depth: range(4, depth - 1),  # all of eight times the width but the innermost
    "none": lambda depth: range(0),
}


def hidden_norm(normalization: str, eps: float) -> tuple[Callable[[int], nn.Module], bool]:
    """Return the norm of hidden convolutions, of their channels, and whether these have a bias.

    The PyTorch repository has biases with instance norm only, where they change nothing; its files hold them.
    """
    return partial(choose(HIDDEN_NORMS, normalization, "normalization"), eps=eps), normalization == "instance"


def require_pictures(pictures: Tensor, channels: int, multiple: int = 1, least: int = 1) -> None:
    """Raise ``UserError`` for pictures (N, C, H, W) of other channels, or of sides that do not fit."""
    held, height, width = pictures.shape[1:]
    if held != channels:
        raise UserError(f"this network takes pictures of {channels} channels, and these have {held}")
    require_sides(height, width, multiple, least)


def require_sides(height: int, width: int, multiple: int = 1, least: int = 1) -> None:
    """Raise ``UserError`` for sides that are no multiples of ``multiple``, or below ``least``."""
    if height % multiple or width % multiple:
        raise UserError(f"pictures of {height}x{width} pixels do not fit: the sides must be multiples of {multiple}")
    if min(height, width) < least:
        raise UserError(f"pictures of {height}x{width} pixels are too small: the sides must be at least {least}")


def require_shape(pictures: Tensor, shape: tuple[int, int, int]) -> None:
    """Raise ``UserError`` for pictures (N, C, H, W) of another (C, H, W)."""
    if pictures.shape[1:] != shape:
        held, wanted = ("x".join(map(str, (*sides, channels))) for channels, *sides in (pictures.shape[1:], shape))
        raise UserError(f"this network takes pictures of {wanted}, and these are {held}: its size is fixed")
