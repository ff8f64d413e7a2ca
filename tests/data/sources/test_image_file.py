import numpy as np
import pytest
from PIL import Image

from ganlab.data.sources.image_file import ImageFile
from ganlab.errors import UserError


def test_a_picture_is_read_whole_and_transparency_lies_over_white(tmp_path):
    picture = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 20, 30))
    picture.save(tmp_path / "one.png")
    pixels = ImageFile(file=str(tmp_path / "one.png")).pixels
    assert pixels.shape == (30, 40, 3) and pixels.dtype == np.uint8
    assert (pixels[:, :20] == (0, 0, 255)).all() and (pixels[:, 20:] == 255).all()


def test_grey_becomes_colour(tmp_path):
    Image.new("L", (25, 60), 7).save(tmp_path / "grey.png")
    assert (ImageFile(file=str(tmp_path / "grey.png")).pixels == np.full((60, 25, 3), 7)).all()


def test_no_picture_and_a_tiny_one_are_refused(tmp_path):
    with pytest.raises(UserError, match="data.file=.*gone.png cannot be read .*No such file.*: set data.file"):
        ImageFile(file=str(tmp_path / "gone.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="not a picture of a known format"):
        ImageFile(file=str(tmp_path / "text.png"))
    Image.new("L", (300, 24)).save(tmp_path / "tiny.png")
    with pytest.raises(UserError, match="300x24 pixels: take a picture of at least 25"):
        ImageFile(file=str(tmp_path / "tiny.png"))
