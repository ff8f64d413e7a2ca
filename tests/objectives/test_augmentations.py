import torch

from ganlab.objectives.augmentations import Translation


def test_images_are_shifted_whole_pixels_and_stay_differentiable() -> None:
    torch.manual_seed(0)
    images = torch.zeros(64, 1, 16, 16)
    images[:, :, 8, 8] = 1
    images.requires_grad_(True)
    moved = Translation(0.125)(images)
    assert moved.shape == images.shape
    assert moved.flatten(1).sum(1).eq(1).all()
    places = moved.flatten(1).argmax(1)
    rows, columns = places // 16, places % 16
    assert {*rows.tolist()} == {*columns.tolist()} == {6, 7, 8, 9, 10}
    moved.sum().backward()
    assert images.grad is not None and images.grad[:, :, 8, 8].eq(1).all()
