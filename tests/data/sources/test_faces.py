import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol, UnreadableImageError
from ganlab.data.sources import faces
from ganlab.data.sources.faces import Faces, open_cascade, square_box
from ganlab.errors import UserError

FOUND = [(10, 20, 40, 40), (100, 30, 20, 20), (150, 0, 40, 40), (60, 70, 50, 50)]  # left, top, width, height


def source(root: Path, **changed: Any) -> Faces:
    options = {"margin": 0.1, "minimum": 32, "faces": "all", "scale_factor": 1.2, "neighbours": 5}
    return Faces(root=str(root), **options | changed)


@pytest.fixture
def photographs(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (150, 200, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands for OpenCV's: it finds ``boxes`` in every photograph, and keeps what it was asked."""
    made = SimpleNamespace(boxes=FOUND, asked={})

    def detect(grey: np.ndarray, **asked: Any) -> Any:
        made.asked = asked | {"shape": grey.shape}
        return np.array(made.boxes, np.int32).reshape(-1, 4) if made.boxes else ()

    monkeypatch.setattr(faces, "open_cascade", lambda: SimpleNamespace(detectMultiScale=detect))
    return made


def test_boxes_are_square_around_the_detection():
    assert square_box(10, 20, 40, 40, margin=0.25) == (0, 10, 60, 70)
    assert square_box(10, 20, 30, 50, margin=0) == (0, 20, 50, 70)


def test_every_sufficient_face_is_cut_out_the_largest_first(photographs, detector):
    reading = source(photographs).read_rows(0)
    whole = Image.open(photographs / "0.png")
    boxes = [(55, 65, 115, 125), (6, 16, 54, 64)]
    assert [row["images"].tobytes() for row in reading.rows] == [whole.crop(box).tobytes() for box in boxes]
    assert sorted(reading.rejected) == ["face cut by the border", "face of less than 32 pixels"]
    assert detector.asked == {"scaleFactor": 1.2, "minNeighbors": 5, "minSize": (18, 18), "shape": (150, 200)}


def test_one_face_is_the_largest(photographs, detector):
    reading = source(photographs, faces="one").read_rows(0)
    assert [row["images"].size for row in reading.rows] == [(60, 60)] and "not the largest face" in reading.rejected


def test_a_pack_counts_what_was_turned_down(photographs, detector, tmp_path):
    pack = build(pickle.loads(pickle.dumps(source(photographs))), PictureProtocol(16, 3), tmp_path / "packs")
    assert pack.folder.name.startswith("faces-photographs-16x3-") and pack.images.shape == (6, 16, 16, 3)
    assert pack.manifest["rejected"] == {"face cut by the border": 3, "face of less than 32 pixels": 3}
    detector.boxes = []
    with pytest.raises(UserError, match="gives no picture .*3 no face found"):
        build(source(photographs, minimum=40), PictureProtocol(16, 3), tmp_path / "packs")


def test_every_choice_makes_another_pack(photographs):
    choices: list[dict[str, Any]] = [
        {}, {"margin": 0.2}, {"minimum": 40}, {"faces": "one"}, {"scale_factor": 1.1}, {"neighbours": 6}
    ]  # fmt: skip
    assert len({str(source(photographs, **changed).fingerprint()) for changed in choices}) == 6
    with pytest.raises(ValueError, match="faces=two must be all or one"):
        source(photographs, faces="two")


@pytest.mark.parametrize("changed", [{"scale_factor": 4.5}, {"scale_factor": 1}, {"margin": float("inf")}], ids=str)
def test_impossible_numbers_are_refused(photographs, changed):
    with pytest.raises(ValueError, match=f"^{next(iter(changed))}=.* must be a (whole )?number"):
        source(photographs, **changed)


def test_a_broken_photograph_is_not_counted_as_without_faces(photographs, detector):
    (photographs / "1.png").write_bytes(b"")
    with pytest.raises(UnreadableImageError, match="1.png"):
        source(photographs).read_rows(1)


@pytest.mark.parametrize("module", [None, SimpleNamespace(data=None, setNumThreads=lambda count: None)])
def test_missing_opencv_says_what_to_type(photographs, monkeypatch, module):
    monkeypatch.setitem(sys.modules, "cv2", module)
    monkeypatch.setitem(sys.modules, "cv2.data", module)
    open_cascade.cache_clear()
    with pytest.raises(UserError, match="type pip install 'opencv-python-headless<5'"):
        source(photographs).read_rows(0)


def test_the_real_detector_finds_nothing_in_an_even_photograph(tmp_path):
    pytest.importorskip("cv2")
    open_cascade.cache_clear()
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "even.png")
    assert source(tmp_path).read_rows(0).rejected == ["no face found"]
