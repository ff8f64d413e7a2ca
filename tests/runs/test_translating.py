import base64
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.networks import cyclegan, pix2pix, published
from ganlab.runs.picture_folders import match, output_names

NOISE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is typed for small files of the repository's layout."""
    torch.manual_seed(0)
    networks = {
        "colour": cyclegan.Generator(width=2, blocks=1, dropout=0.5, normalization="batch", deviation=0.5),
        "grey": pix2pix.Generator(16, 1, 1, width=2, deviation=0.5),
    }
    folder = tmp_path_factory.mktemp("weights")
    for name, network in networks.items():
        published.save(network, folder / f"{name}.pth")
    return {name: f"weights={folder}/{name}.pth" for name in networks}


def picture(path: Path, width: int, height: int, mode: str = "RGB") -> Image.Image:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(NOISE.integers(0, 256, (height, width, 4), np.uint8)).convert("RGBA").convert(mode)
    image.save(path)
    return image


def test_a_folder_is_translated_with_its_names_and_a_page(command: Callable, weights: dict, tmp_path: Path) -> None:
    given, output = tmp_path / "in", tmp_path / "in" / "out"
    picture(given / "a.png", 20, 12)
    picture(given / "sub" / "b & <c>.jpg", 9, 30)
    picture(given / "clear.png", 8, 8, "RGBA")
    (given / "broken.png").write_text("no picture")
    picture(tmp_path / "truth" / "a.png", 20, 12)
    picture(tmp_path / "truth" / "sub" / "b & <c>.png", 9, 30)
    picture(tmp_path / "truth" / "clear.png", 5, 5)
    typed = (weights["colour"], f"input={given}", f"output={output}")
    outcome = command("translate", *typed, f"truth={tmp_path}/truth", "seed=2")
    assert outcome.code == 0, outcome.err
    assert "4 pictures, colour to colour, sides padded to multiples of 4" in outcome.out
    assert re.search(r"the largest picture, .*b & <c>.jpg of 9x30 needs about .* MB of cpu memory", outcome.out)
    assert "skipped broken.png: not a picture of a known format" in outcome.err
    assert "clear.png: no scores, it is 5x5 and the output 8x8" in outcome.err
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert files == ["a.png", "clear.png", "index.html", "sub/b & <c>.png"]
    first = {name: (output / name).read_bytes() for name in files[:2]}
    assert [Image.open(output / name).size for name in (files[0], files[3])] == [(20, 12), (9, 30)]
    alpha = Image.open(output / "clear.png").getchannel("A")
    assert alpha.tobytes() == Image.open(given / "clear.png").getchannel("A").tobytes()
    page = (output / "index.html").read_text()
    assert "b &amp; &lt;c&gt;.jpg" in page and "<c>" not in page and "mean of 2" in page and "broken.png" in page
    assert 'href="sub/b%20%26%20%3Cc%3E.png"' in page and "http" not in page
    assert len(found := re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)) == 3 * 3
    assert base64.b64decode(found[0])[:3] == b"\xff\xd8\xff"
    difference = np.abs(
        np.asarray(Image.open(output / "a.png")) / 255 - np.asarray(Image.open(tmp_path / "truth" / "a.png")) / 255
    )
    assert f'<td class="n">{difference.mean():.4g}' in page

    (given / "sub" / "b & <c>.jpg").unlink()  # dropout of the others stays, and what was made is no input
    (output / "a.png").write_text("old")
    outcome = command("translate", *typed, "seed=2")
    assert outcome.code == 0 and "3 pictures, " in outcome.out
    assert {name: (output / name).read_bytes() for name in first} == first
    one = command("translate", weights["colour"], f"input={given}/a.png", f"output={tmp_path}/one", "seed=2")
    assert one.code == 0 and (tmp_path / "one" / "a.png").read_bytes() == first["a.png"]


def test_pictures_agree_with_the_repository_within_one_level(command: Callable, weights: dict, tmp_path: Path) -> None:
    image = picture(tmp_path / "in" / "a.png", 30, 21)
    typed = (weights["colour"], f"input={tmp_path}/in", f"output={tmp_path}/out", "dropout=false", "load_size=16")
    assert command("translate", *typed).code == 0
    network = published.load(weights["colour"].removeprefix("weights=")).eval()
    for module in network.modules():  # its test.py leaves batch norm in training mode
        module.training = isinstance(module, torch.nn.BatchNorm2d)
    squeezed = np.array(image.resize((16, 16), Image.Resampling.BICUBIC), np.float32)
    with torch.no_grad():
        made = network((torch.from_numpy(squeezed).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5)
    theirs = ((made[0].permute(1, 2, 0).numpy() + 1) / 2.0 * 255.0).astype(np.uint8)
    ours = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    assert np.abs(ours.astype(int) - theirs).max() <= 1 and ours.std() > 5


def test_grey_stays_grey_and_sixteen_bits_sixteen(command: Callable, weights: dict, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "colour.png", 17, 9)
    Image.fromarray(NOISE.integers(0, 65536, (9, 17), np.uint16)).save(tmp_path / "in" / "deep.png")
    given = (f"input={tmp_path}/in", "tile=16")
    assert command("translate", weights["grey"], *given, f"output={tmp_path}/grey").code == 0
    assert Image.open(tmp_path / "grey" / "colour.png").mode == "L"
    deep = Image.open(tmp_path / "grey" / "deep.png")
    assert deep.mode == "I;16" and deep.size == (17, 9) and len(np.unique(np.asarray(deep) % 257)) > 9
    refused = command("translate", weights["colour"], *given, f"output={tmp_path}/colour")
    assert "skipped deep.png: 16 bits, and this network makes colour" in refused.err
    assert [path.name for path in sorted((tmp_path / "colour").iterdir())] == ["colour.png", "index.html"]


def test_mistakes_are_refused_before_anything_is_written(
    command: Callable, weights: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "in" / "a.png", 64, 64)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "b.png").write_text("")
    given, into = f"input={tmp_path}/in", f"output={tmp_path}/out"
    cases = {
        (given, into): "give checkpoint=FILE, of a run, or weights=FILE",
        (weights["grey"], into): "input is missing",
        (weights["grey"], f"input={tmp_path}/none", into): "set input to a folder of pictures",
        (weights["grey"], given, f"output={tmp_path}/in"): "is the folder of the input",
        (weights["grey"], f"{given}/a.png", f"output={tmp_path}/in"): "would overwrite",
        (weights["grey"], given, into, "tile=20"): "type tile=16 or tile=32",
        (weights["grey"], given, into, "task=a_to_b"): "leave task= out",
        (weights["grey"], given, into, "statistics=standing"): "choose batch or running",
        (weights["grey"], given, into, "dropout=3"): "dropout=3 must be",
        (weights["grey"], given, into, f"truth={tmp_path}/bad"): "no picture with the name of one in input=",
        (weights["grey"], f"input={tmp_path}/bad", into): "no picture could be translated, b.png: not a picture",
        (f"weights={tmp_path}/none.pth", given, into): "there is no file",
    }
    for typed, message in cases.items():
        outcome = command("translate", *typed)
        assert outcome.code == 1 and message in outcome.err, (typed, outcome.err)
        assert outcome.err.strip().splitlines()[-1].startswith("error: ")
    monkeypatch.setattr("ganlab.runs.memory.free_memory", lambda device: 250_000)
    outcome = command("translate", weights["grey"], given, into)
    assert "a.png of 64x64 needs about 0.3 MB of cpu memory (0.2 MB free): type tile=32" in outcome.err
    assert command("translate", weights["grey"], given, f"output={tmp_path}/tiles", "tile=32").code == 0
    assert not (tmp_path / "out" / "index.html").exists()


def test_outputs_of_one_name_are_told_apart() -> None:
    names = ["a.jpg", "a.png", "b/c.tif", "B/C.jpg", "d.webp", "a.jpg.png"]
    assert output_names(names) == {
        "a.png": "a.png", "a.jpg.png": "a.jpg.png", "a.jpg": "a.jpg.png.png",
        "B/C.jpg": "B/C.png", "b/c.tif": "b/c.tif.png", "d.webp": "d.png",
    }  # fmt: skip


def test_truths_are_found_by_name() -> None:
    assert match(["a.jpg", "s/b.png", "c.png"], ["a.png", "s/b.png", "s/b.jpg", "b.png"]) == {
        "a.jpg": "a.png",
        "s/b.png": "s/b.png",
    }
