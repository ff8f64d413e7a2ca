"""Affine resampling of images in plain tensor operations, differentiable to any order in the images."""

import torch
from torch import Tensor

REACH = 3  # taps on either side of the Lanczos filter


def resample(images: Tensor, matrices: Tensor) -> Tensor:
    """Return affinely transformed images (N, C, H, W), mirrored beyond their borders.

    ``matrices`` (N, 3, 3) lead from a pixel of the result (x, y, 1) to its source, in pixels from the centre, x to the
    right and y down. Images are up-sampled by 2 with a Lanczos filter that keeps their pixels, then interpolated
    bilinearly: sharper than bilinear interpolation alone, exact for flips, quarter turns and shifts by whole pixels.
    There is no anti-aliasing filter. ``grid_sample`` has no second derivative, and on GPUs no deterministic first.
    """
    count, channels, height, width = images.shape
    rows, columns = doubling(height, images), doubling(width, images)
    doubled = (rows @ images @ columns.T).flatten(2)
    y, x = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in (height, width))
    grid = torch.stack(torch.broadcast_tensors(x, y[:, None], x.new_ones(()))).flatten(1)
    places = (matrices[:, :2, :, None] * grid).sum(2)  # no matrix product: these may have reduced precision
    result = torch.zeros_like(images).flatten(2)
    (x0, x1, right), (y0, y1, down) = (
        neighbours(2 * place + side, side) for place, side in zip(places.unbind(1), (width, height), strict=True)
    )
    for row, vertical in ((y0, 1 - down), (y1, down)):
        for column, horizontal in ((x0, 1 - right), (x1, right)):
            index = (row * (2 * width + 1) + column)[:, None].expand(-1, channels, -1)
            result = result + doubled.gather(2, index) * (vertical * horizontal)[:, None]
    return result.view(images.shape)


def neighbours(place: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the indices of the two samples around a place of the up-sampled image, and its distance to the first."""
    place = 2 * side - (place.remainder(4 * side) - 2 * side).abs()
    before = place.floor()
    return before.long(), (before.long() + 1).clamp(max=2 * side), place - before


def doubling(side: int, like: Tensor) -> Tensor:
    """Return the matrix (2 * side + 1, side) that interpolates at -1/2, 0, 1/2, ..., side - 1/2, mirrored outside."""
    half = torch.arange(-REACH, REACH, device=like.device, dtype=like.dtype) + 0.5
    taps = torch.sinc(half) * torch.sinc(half / REACH)
    between = torch.arange(side + 1, device=like.device)[:, None] + torch.arange(-REACH, REACH, device=like.device)
    mirrored = side - 0.5 - ((between + 0.5).remainder(2 * side) - side).abs()
    pixel = torch.arange(side, device=like.device)
    matrix = like.new_zeros(2 * side + 1, side)
    matrix[1::2] = pixel[:, None] == pixel
    matrix[::2] = ((mirrored[..., None] == pixel) * (taps / taps.sum())[:, None]).sum(1)
    return matrix
