import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module", autouse=True)
def outputs(tmp_path_factory: pytest.TempPathFactory, packs: Path) -> Iterator[Path]:
    """Let the notebooks train for a shorter time, in one folder: the first makes the run and the others take it."""
    folder = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTEBOOK_IMAGES", "12000")
        patch.setenv("NOTEBOOK_OUTPUTS", str(folder))
        patch.setenv("NOTEBOOK_PACKS", str(packs))
        patch.setenv("MPLBACKEND", "agg")
        yield folder


def run(name: str) -> str:
    """Execute a notebook, whose cells assert what its text claims, and return what it prints."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def line(start: str, text: str) -> list[float]:
    """Return the numbers that follow in the only line that begins so."""
    (found,) = re.findall(rf"^{re.escape(start)}(.*)$", text, re.MULTILINE)
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", found.replace(",", " "))]


def test_01_convolution_arithmetic() -> None:
    text = run("01_convolution_arithmetic")
    assert "sizes equal PyTorch's" in text
    assert line("DCGAN's discriminator", text) == [64, 5, 2, 2, 32]
    assert line("DCGAN's generator", text) == [4, 5, 2, 2, 1, 8]
    assert line("largest difference between the matrices and PyTorch:", text)[0] < 1e-6
    assert line("largest difference between zero insertion and PyTorch:", text)[0] < 1e-5
    assert "[[6, 14, 4], [2, 17, 21], [0, 1, 5]]" in text
    assert line("kernel 5, stride 2: stamps on a pixel inside:", text) == [4, 6, 9]
    assert line("kernel 4, stride 2: stamps on a pixel inside:", text) == [4]
    right_shallow, _, right_deep, gradient = line("sigmoid    ", text)
    assert right_shallow > 80 and right_deep < 30 and gradient < 1e-3
    assert min(line(f"{name:11}", text)[2] for name in ("tanh", "ReLU", "leaky ReLU")) > 80


def test_02_train_and_watch(outputs: Path) -> None:
    text = run("02_train_and_watch")
    assert (outputs / "notebook-12000/samples/images_000012000.png").exists()
    untrained, *_, trained = line("fid_digits: ", text)
    assert untrained > 250 and trained < 90
    assert "alarms in the run: [] and found here: [None, None, None]" in text
    assert "mode collapse: samples differ from each other 1%" in text
    assert "torch.Size([10, 1, 16, 16]) torch.uint8" in text


def test_03_latent_space(outputs: Path) -> None:
    text = run("03_latent_space")
    linear, spherical, memorised = line("largest step over mean step:", text)
    assert max(linear, spherical) < 0.75 * memorised
    assert line("regression   correlation", text)[0] > 0.4
    assert abs(line("random       correlation", text)[0]) < 0.2
    assert line("means_of_three", text)[0] > line("single", text)[0] > line("chance", text)[0]
    assert (outputs / "notebook-12000/walk.gif").stat().st_size > 1000


def test_04_what_the_discriminator_learned() -> None:
    text = run("04_what_the_discriminator_learned")
    trained, random, pixels = line("20 labels per class:", text)
    assert min(trained, random, pixels) > 88
    assert line("correlation of neighbours:", text)[0] > 0
    gone, *_ = line("horizontal strokes gone from", text)
    assert gone > max(25, 2 * line("on average:", text)[0])


def test_05_when_it_goes_wrong() -> None:
    text = run("05_when_it_goes_wrong")
    for trouble in ("mode collapse: ", "oscillation: ", "non-convergence: ", "vanishing gradient: "):
        assert trouble in text


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    assert path.read_text().isascii()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert f"test_{path.stem}" in globals()
