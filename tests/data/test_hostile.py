"""One folder of everything that people's folders hold: what becomes of each file."""

import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ganlab.data.packs.pack import Pack, build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.folder import Folder


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 60,000 x 60,000 pixels."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    text, profile = PngImagePlugin.PngInfo(), bytes(5_000_000)
    text.add_text("parameters", "p" * 4_000_000, zip=True)
    text.add_itxt("XML:com.adobe.xmp", "x" * 2_000_000)
    deep = Image.fromarray(np.full((16, 16), 0x8080, np.uint16))
    files: dict[str | bytes, bytes] = {
        "00_zero.jpg": b"",
        "01_text.jpg": b"this is no picture",
        "02_truncated.jpg": encoded(photo, "JPEG")[:700],
        "03_bomb.png": bomb(),
        "04_telephone.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
        "10_cmyk.jpg": encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100),
        "11_deep.png": encoded(deep, "PNG"),
        "12_animated.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "13_one.png": encoded(Image.new("RGB", (1, 1), "green"), "PNG"),
        "14_wide.png": encoded(Image.new("RGB", (20_000, 10), "blue"), "PNG"),
        b"15_\xff\xfe.png": encoded(Image.new("L", (8, 8), 200), "PNG"),
        "16_described.png": encoded(Image.new("RGB", (8, 8), "red"), "PNG", pnginfo=text, icc_profile=profile),
    }
    for name, content in files.items():
        (folder / os.fsdecode(name)).write_bytes(content)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "self.png").symlink_to(folder / "self.png")
    return build(Folder(str(folder)), PictureProtocol(8, 3), folder.parent / "packs", max_broken=0.5)


def test_what_cannot_be_read_is_named_with_its_reason(pack: Pack):
    skipped = dict(pack.manifest["skipped"])
    assert list(skipped) == [
        "00_zero.jpg",
        "01_text.jpg",
        "02_truncated.jpg",
        "03_bomb.png",
        "04_telephone.jpg",
        "self.png",
    ]
    assert skipped["00_zero.jpg"] == skipped["01_text.jpg"] == "not a picture of a known format"
    assert skipped["04_telephone.jpg"] == "in HEIC, for which there is no reader: convert to JPEG"
    assert "truncated" in skipped["02_truncated.jpg"] and "bomb" in skipped["03_bomb.png"]


@pytest.mark.parametrize(
    ("row", "colour"),
    [
        (0, (255, 0, 0)),
        (1, (128, 128, 128)),
        (2, (255, 0, 0)),
        (3, (0, 128, 0)),
        (4, (0, 0, 255)),
        (5, (200,) * 3),
        (6, (255, 0, 0)),
    ],
    ids=["CMYK", "16 bits", "animation", "one pixel", "20,000 x 10", "name of no encoding", "metadata"],
)
def test_everything_else_becomes_what_a_person_sees(pack: Pack, row, colour):
    assert len(pack) == 7  # the loop is walked once
    assert np.abs(pack.images[row].astype(int) - colour).max() <= 2


def test_the_record_is_plain_json_for_all_that(pack: Pack):
    assert json.loads((pack.folder / "pack.json").read_bytes().decode("ascii"))["count"] == 7
