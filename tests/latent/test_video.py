import pytest
import torch
from PIL import Image, ImageSequence

from ganlab.latent.video import frames, save_gif


def test_meeting_points_are_shown_once():
    images = torch.tensor([[0, 1, 2], [2, 3, 4]], dtype=torch.uint8)[:, :, None, None, None]
    assert frames(images).flatten().tolist() == [0, 1, 2, 3, 4]
    assert frames(images, back=True).flatten().tolist() == [0, 1, 2, 3, 4, 3, 2, 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_holds_every_image_for_its_time(channels, tmp_path):
    levels = torch.tensor([0, 80, 160, 240], dtype=torch.uint8)
    images = levels[:, None, None, None].expand(4, channels, 5, 6).clone()
    save_gif(images, tmp_path / "new" / "walk.gif", rate=20, scale=3)
    with Image.open(tmp_path / "new" / "walk.gif") as gif:
        shown = [
            (frame.size, frame.info["duration"], frame.convert("L").getpixel((7, 7)))
            for frame in ImageSequence.Iterator(gif)
        ]
        assert gif.info["loop"] == 0
    assert shown == [((18, 15), 50, level) for level in (0, 80, 160, 240)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["walk.gif"]


def test_mistakes_are_reported(tmp_path):
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    for wrong, options, message in (
        (images[:, :2], {}, "make no GIF"),
        (images[0], {}, "make no GIF"),
        (images, {"rate": 0}, "rate=0"),
        (images, {"rate": 60}, "rate=60"),
        (images, {"scale": 0}, "scale=0"),
    ):
        with pytest.raises(ValueError, match=message):
            save_gif(wrong, tmp_path / "walk.gif", **options)
    assert not list(tmp_path.iterdir())
