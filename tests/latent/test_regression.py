import numpy as np
import pytest
import torch

from ganlab.classifiers.training import Training
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.regression import train_factor_regressor

TRAINING = Training(images=2000, batch_size=20, learning_rate=5e-3, width=4, seed=0)


@pytest.fixture
def spots(tmp_path) -> Pack:
    """Make a pack of grey pictures with a spot whose place is the factor ``x``."""
    rng = np.random.default_rng(0)
    factors = rng.uniform(-1, 1, (600, 2)).astype(np.float32)
    columns = np.arange(12) - (factors[:, :1] * 4 + 5.5)
    images = np.repeat(255 * np.exp(-(columns**2))[:, None, :], 12, axis=1)[..., None].astype(np.uint8)
    return Pack(tmp_path, {"source": "spots", "factors": ["x", "y"]}, {"images": images, "factors": factors})


def test_a_factor_is_read_off_images(spots):
    torch.set_num_threads(1)
    reader = train_factor_regressor(spots, "x", TRAINING)
    assert reader.correlation > 0.97 and reader.held_out == 60
    images = torch.from_numpy(spots.images[:50].transpose(0, 3, 1, 2).copy())
    values = reader(images)
    assert (
        values.shape == (50,) and float((values - torch.from_numpy(spots.arrays["factors"][:50, 0])).abs().mean()) < 0.2
    )
    again = train_factor_regressor(spots, "x", TRAINING)
    assert torch.equal(again(images), values)


def test_mistakes_are_reported(spots):
    with pytest.raises(UserError, match="has no factor pose: choose from x, y"):
        train_factor_regressor(spots, "pose", TRAINING)
    bare = Pack(spots.folder, {"source": "bare"}, spots.arrays)
    with pytest.raises(UserError, match="has no factor pose: take data=portraits"):
        train_factor_regressor(bare, "pose", TRAINING)
    few = Pack(spots.folder, spots.manifest, {name: array[:20] for name, array in spots.arrays.items()})
    with pytest.raises(UserError, match="17 images are too few"):
        train_factor_regressor(few, "x", TRAINING)
