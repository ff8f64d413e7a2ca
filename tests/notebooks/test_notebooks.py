from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_runs_from_end_to_end(path: Path, tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEBOOK_IMAGES", "1000")
    monkeypatch.setenv("NOTEBOOK_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("NOTEBOOK_PACKS", str(packs))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    assert (tmp_path / "notebook-1000/samples/images_000001024.png").exists()
    text = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "torch.Size([10, 1, 32, 32]) torch.uint8 after 1024 images" in text
