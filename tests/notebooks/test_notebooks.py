from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def run(name: str) -> str:
    """Execute a notebook, whose cells assert what its text claims, and return what it prints."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def test_train_and_look(tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEBOOK_IMAGES", "1000")
    monkeypatch.setenv("NOTEBOOK_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("NOTEBOOK_PACKS", str(packs))
    monkeypatch.setenv("MPLBACKEND", "agg")
    text = run("train_and_look")
    assert (tmp_path / "notebook-1000/samples/images_000001024.png").exists()
    assert "torch.Size([10, 1, 32, 32]) torch.uint8 after 1024 images" in text


def test_when_it_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    text = run("when_it_goes_wrong")
    for trouble in ("mode collapse: ", "oscillation: ", "non-convergence: ", "vanishing gradient: "):
        assert trouble in text


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    assert path.read_text().isascii()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert f"test_{path.stem}" in globals()
