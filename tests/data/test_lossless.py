from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.data.lossless import Picture, as_image, read
from ganlab.data.packs.pictures import PictureFile, UnreadableImageError

RANGE = (-1.0, 1.0)


def stored(image: Image.Image, path: Path, **options: object) -> Picture:
    image.save(path, **options)
    return read(PictureFile(path, path.name))


def noise(*shape: int, kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_eight_bits_return_unchanged(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(noise(5, 4, 4)).convert("RGBA").convert(mode)
    picture = stored(image, tmp_path / "a.png")
    channels = len(picture.pixels.getbands())
    made = as_image(picture.to_network(channels, RANGE), RANGE, picture)
    assert made.mode == mode and made.tobytes() == image.tobytes() == picture.with_alpha().tobytes()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_of_grey_are_kept(ending: str, tmp_path: Path) -> None:
    values = noise(5, 4, kind=np.uint16)
    picture = stored(Image.fromarray(values), tmp_path / f"a.{ending}")
    assert picture.deep
    floats = picture.to_network(1, RANGE)
    np.testing.assert_allclose(floats[0, 0].numpy(), values / 32767.5 - 1, atol=1e-6)
    made = as_image(floats, RANGE, picture)
    assert made.mode == "I;16" and np.array_equal(np.asarray(made), values)


def test_what_would_lose_bits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.ppm").write_bytes(b"P6 2 2 65535\n" + noise(2, 2, 3, kind=np.uint16).tobytes())
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "float.tif")
    for name, reason in (("deep.ppm", "16 bits a channel in colour"), ("float.tif", "no agreed range")):
        with pytest.raises(UnreadableImageError, match=reason):
            read(PictureFile(tmp_path / name, name))
    eight = Image.fromarray(noise(3, 3, 3))
    for ending in ("png", "ppm", "tif"):
        assert stored(eight, tmp_path / f"eight.{ending}").pixels.tobytes() == eight.tobytes()


def test_transparent_palettes_turned_and_other_modes(tmp_path: Path) -> None:
    palette = Image.fromarray(noise(4, 6)).convert("P")
    picture = stored(palette, tmp_path / "p.png", transparency=3)
    assert picture.pixels.mode == "RGB" and picture.alpha is not None
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    assert stored(Image.fromarray(noise(4, 6, 3)), tmp_path / "t.jpg", exif=exif).pixels.size == (4, 6)
    assert stored(Image.fromarray(noise(4, 6) > 99), tmp_path / "one.png").pixels.mode == "L"
    assert stored(Image.fromarray(noise(4, 6, 4), "CMYK"), tmp_path / "c.tif").pixels.mode == "RGB"


def test_channels_follow_the_network(tmp_path: Path) -> None:
    colour = stored(Image.fromarray(noise(4, 6, 3)), tmp_path / "c.png")
    grey = colour.to_network(1, RANGE)
    expected = np.asarray(colour.pixels.convert("L")) / 127.5 - 1
    np.testing.assert_allclose(grey[0, 0].numpy(), expected, atol=1e-6)
    repeated = Picture(colour.pixels.convert("L")).to_network(3, RANGE)
    assert torch.equal(repeated[:, 0], repeated[:, 2]) and repeated.shape == (1, 3, 4, 6)
    of_grey = Picture(colour.pixels.convert("L"))
    assert as_image(colour.to_network(3, RANGE), RANGE, of_grey).mode == "RGB"
    assert as_image(colour.to_network(3, RANGE), RANGE, of_grey, grey=True).mode == "L"
    assert as_image(colour.to_network(3, RANGE), RANGE, colour, grey=True).mode == "RGB"


def test_resizing_keeps_depth_and_transparency() -> None:
    deep = Picture(Image.fromarray(np.full((4, 4), 100.5, np.float32))).resized((3, 2))
    assert deep.deep and deep.pixels.size == (3, 2) and np.asarray(deep.pixels)[0, 0] == pytest.approx(100.5)
    clear = Picture(Image.new("RGB", (4, 4)), Image.new("L", (4, 4), 7)).resized((2, 3))
    assert clear.alpha is not None and clear.alpha.size == (2, 3) and clear.alpha.getpixel((0, 0)) == 7
