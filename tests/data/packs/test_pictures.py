import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pictures import FORMATS, PictureFile, PictureProtocol, UnreadableImageError, decode
from ganlab.errors import UserError


def saved(picture: Image.Image, kind: str, **options) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return decode(PictureFile(file, "picture"))


def reason(data: bytes) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        decode(PictureFile(io.BytesIO(data), "broken.png"))
    assert caught.value.name == "broken.png" and "\n" not in caught.value.reason
    return caught.value.reason


def test_16_bit_grey_is_scaled_not_clipped():
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    assert np.asarray(saved(Image.fromarray(levels), "PNG")).tolist() == [[0, 0, 1, 1, 128, 255]]
    assert np.asarray(saved(Image.fromarray(levels), "TIFF")).tolist() == [[0, 0, 1, 1, 128, 255]]


@pytest.mark.parametrize("pixels", [np.array([[0, 70000]], np.int32), np.array([[0.5, 1.0]], np.float32)])
def test_pixels_without_an_agreed_range_are_refused(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF")
    assert "32-bit" in reason(file.getvalue()) or "floating-point" in reason(file.getvalue())


def test_transparency_lies_over_white():
    half_red = np.array([[[255, 0, 0, 0], [255, 0, 0, 255], [255, 0, 0, 128]]], np.uint8)
    expected = [[[255, 255, 255], [255, 0, 0], [255, 127, 127]]]
    assert np.asarray(saved(Image.fromarray(half_red), "PNG")).tolist() == expected
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([9, 9, 9, 200, 100, 0])
    assert np.asarray(saved(palette, "PNG", transparency=0)).tolist() == [[[255] * 3, [200, 100, 0]]]
    grey = Image.fromarray(np.array([[[40, 0], [40, 255]]], np.uint8))
    assert grey.mode == "LA" and np.asarray(saved(grey, "PNG")).tolist() == [[[255] * 3, [40] * 3]]


def test_black_and_white_palette_and_cmyk():
    assert np.asarray(saved(Image.fromarray(np.array([[True, False]])), "PNG")).tolist() == [[255, 0]]
    colours = Image.new("RGB", (2, 2), (10, 200, 30))
    assert np.asarray(saved(colours.convert("P", palette=Image.Palette.ADAPTIVE), "GIF"))[0, 0].tolist() == [
        10,
        200,
        30,
    ]
    cmyk = np.asarray(saved(colours.resize((16, 16)).convert("CMYK"), "JPEG", quality=100))
    assert np.abs(cmyk.astype(int) - [10, 200, 30]).max() <= 3


def test_exif_turns_the_picture_upright_and_a_garbled_block_does_not_matter():
    left_dark = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 16, 0).repeat(16, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise shows it upright
    turned = np.asarray(saved(left_dark, "JPEG", exif=exif, quality=100))
    assert turned.shape == (32, 16) and turned[:12].max() < 20 and turned[20:].min() > 235
    assert saved(left_dark, "JPEG", exif=b"Exif\0\0garbled").size == (32, 16)


def test_broken_files_say_why():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file, "JPEG")
    whole = file.getvalue()
    assert "truncated" in reason(whole[: len(whole) // 2])
    assert reason(b"") == "not a picture of a known format"
    assert "known format" in reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    header = struct.pack(">IIBBBBB", 10**5, 10**5, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    assert "decompression bomb" in reason(
        bomb + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


def test_a_missing_file_is_named_once(tmp_path: Path):
    with pytest.raises(UnreadableImageError) as caught:
        decode(PictureFile(tmp_path / "gone.png", "gone.png"))
    assert caught.value.reason == "No such file or directory"


def test_formats_are_rasters_that_pillow_knows():
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN) and "EPS" not in FORMATS


@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_prepare_takes_the_centre_square(size, channels):
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 200  # exactly the centre
    prepared = PictureProtocol(size, channels).prepare(Image.fromarray(wide))
    assert prepared.shape == (size, size, channels) and prepared.dtype == np.uint8
    assert np.unique(prepared).tolist() == [200]


def test_prepare_keeps_pixels_of_the_right_size_and_averages_with_box(rng):
    pixels = rng.integers(0, 256, (32, 32), np.uint8)
    assert np.array_equal(PictureProtocol(32, 1).prepare(Image.fromarray(pixels))[..., 0], pixels)
    assert np.array_equal(PictureProtocol(32, 3).prepare(Image.fromarray(pixels)), pixels[..., None].repeat(3, 2))
    blocks = pixels.reshape(16, 2, 16, 2).mean((1, 3))
    boxed = PictureProtocol(16, 1, "box").prepare(Image.fromarray(pixels))[..., 0]
    assert np.abs(boxed - blocks).max() <= 1  # rounded once in each direction


@pytest.mark.parametrize("values", [(0, 3, "box"), ("64", 3, "box"), (64, 2, "box"), (64, 3, "nearest")])
def test_impossible_protocols_are_refused(values):
    with pytest.raises((UserError, ValueError), match="(image_size|channels|resize)="):
        PictureProtocol(*values)
