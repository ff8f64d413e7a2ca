import pickle

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.digits import Digits


def test_pack_holds_all_digits_at_full_contrast(tmp_path):
    pack = build(Digits(), PictureProtocol(32, 1, "bicubic"), tmp_path)
    assert pack.folder.name.startswith("digits-32x1-") and pack.images.shape == (1797, 32, 32, 1)
    assert pack.images.min() == 0 and pack.images.max() == 255
    assert pack.labels is not None and np.array_equal(pack.labels, load_digits().target)
    assert pack.manifest["content"] == "digits" and pack.manifest["classes"] == [str(d) for d in range(10)]


def test_levels_and_enlargement():
    source = pickle.loads(pickle.dumps(Digits()))
    picture, label = source.read(3).values()
    levels = load_digits().images[3]
    assert label == 3 and np.abs(np.asarray(picture) - levels * 255 / 16).max() <= 0.5
    expected = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.array_equal(PictureProtocol(32, 1, "bicubic").prepare(picture)[..., 0], expected)
