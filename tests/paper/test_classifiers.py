"""Networks that score samples are trained once for all checkpoints."""

from dataclasses import asdict, replace

import pytest

from ganlab.classifiers.training import Training
from ganlab.data.packs.pack import Pack
from ganlab.paper.classifiers import Classifiers

SHORT = Training(images=256, batch_size=32, learning_rate=3e-3, width=4, seed=0)


def test_each_is_trained_once(scenes: dict[str | None, Pack], monkeypatch: pytest.MonkeyPatch) -> None:
    classifiers, pack = Classifiers(asdict(SHORT)), scenes[None]
    factor = pack.manifest["factors"][0]
    finder, reader = classifiers.segmenter(pack, 64, 0), classifiers.regressor(pack, factor, SHORT)
    assert classifiers.segmenter(pack, 64, 0) is finder
    assert classifiers.regressor(pack, factor, SHORT) is reader
    assert classifiers.segmenter(pack, 64, 1) is not finder
    assert classifiers.regressor(pack, factor, replace(SHORT, seed=1)) is not reader
