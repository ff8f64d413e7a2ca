from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.latent.exemplars import LatentGrid
from ganlab.latent.sampler import Sampler
from ganlab.networks.dcgan_conditional import Discriminator, Generator
from ganlab.objectives.losses import NonSaturating
from ganlab.runs.build import load_system
from ganlab.runs.sampling import latent_grid, take_statistics
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.request import Request
from ganlab.systems.update import sequential


def test_a_grid_and_single_files_show_the_same_samples(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    outcome = command("sample", checkpoint, "count=9", "seed=3", f"output={tmp_path}/grid.png")
    assert outcome.code == 0 and "grid.png" in outcome.out
    grid = np.asarray(Image.open(tmp_path / "grid.png").convert("L"))
    assert grid.shape == (3 * 34 + 2, 3 * 34 + 2)
    assert command("sample", checkpoint, "count=9", "seed=3", "grid=false", f"output={tmp_path}/each").code == 0
    names = sorted(path.name for path in (tmp_path / "each").iterdir())
    assert names == [f"{index:06d}.png" for index in range(9)]
    for index, name in enumerate(names):
        row, column = divmod(index, 3)
        cell = grid[2 + 34 * row : 34 + 34 * row, 2 + 34 * column : 34 + 34 * column]
        np.testing.assert_array_equal(cell, np.asarray(Image.open(tmp_path / "each" / name)))


def test_the_latents_beside_the_grid_are_those_of_its_rows_and_columns(
    command: Callable, smoke: Path, tmp_path: Path
) -> None:
    checkpoint = smoke / "checkpoints" / "last.ckpt"
    overrides = ("count=11", "seed=3", "statistics=standing", f"output={tmp_path}/grid.png")
    outcome = command("sample", f"checkpoint={checkpoint}", *overrides)
    assert outcome.code == 0 and "grid.npz" in outcome.out
    grid = np.asarray(Image.open(tmp_path / "grid.png").convert("L")).astype(int)
    sheet = LatentGrid.load(tmp_path / "grid.npz")
    assert sheet.latents.shape == (11, 100) and sheet.columns == 4 and sheet.labels is None
    system, _ = load_system(checkpoint, "cpu")
    sampler = Sampler(system)
    for row, column in ((1, 1), (2, 3), (3, 3)):
        cell = grid[34 * row - 32 : 34 * row, 34 * column - 32 : 34 * column]
        shown = sampler(sheet.latents[sheet.index(row, column)])[0].numpy()
        assert np.abs(cell - shown).max() <= 1  # rounding: other batch sizes
    assert not torch.equal(sheet.latents[0], sheet.latents[4])


@pytest.mark.parametrize("label", [None, 2])
def test_the_sheet_of_a_conditional_generator_holds_its_labels(label: int | None) -> None:
    sizes = {"image_size": 16, "channels": 1, "classes": 3, "width": 2}
    optimizers = {name: torch.optim.SGD for name in ("generator", "discriminator")}
    networks = Generator(**sizes, latent_size=6), Discriminator(**sizes)
    system = GAN(*networks, optimizers, Adversary(NonSaturating()), sequential())
    take_statistics(system, "standing")
    sheet = latent_grid(system, 7, 1, label)
    assert sheet.labels is not None and sheet.columns == 3
    assert sheet.labels.tolist() == [2] * 7 if label else len(set(sheet.labels.tolist())) > 1
    shown = system.respond(Request.first(7, latents=sheet.latents, labels=sheet.labels), 1)
    assert torch.equal(shown, system.sample(7, 1, label=label))


def test_other_seeds_give_other_samples_and_equal_ones_equal(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert command("sample", checkpoint, f"seed={seed}", f"output={tmp_path}/{name}.png").code == 0
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_mistakes_are_told(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    assert "must end in .png" in command("sample", checkpoint, f"output={tmp_path}/grid.jpg").err
    (tmp_path / "file").write_text("")
    assert "is a file" in command("sample", checkpoint, "grid=false", f"output={tmp_path}/file").err
    assert "choose one of running, batch, standing" in command("sample", checkpoint, "statistics=none").err
    assert "count=0 must be" in command("sample", checkpoint, "count=0").err
