import json

import numpy as np
import pytest
import torch

from ganlab.errors import UserError
from ganlab.latent.exemplars import LatentGrid, choose_exemplars, least_probability, read_exemplars
from ganlab.latent.sampler import Sampler


@pytest.fixture
def grid() -> LatentGrid:
    return LatentGrid(torch.arange(14.0).view(7, 2), torch.arange(7), 3)


def test_a_grid_is_stored_and_addressed_by_row_and_column(grid, tmp_path):
    grid.save(tmp_path / "new" / "grid.npz")
    found = LatentGrid.load(tmp_path / "new" / "grid.npz")
    assert torch.equal(found.latents, grid.latents) and torch.equal(found.labels, grid.labels) and found.columns == 3
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["grid.npz"]
    assert (found.index(1, 1), found.index(2, 3), found.index(3, 1)) == (0, 5, 6)
    for row, column in ((0, 1), (1, 0), (1, 4), (3, 2), (4, 1)):
        with pytest.raises(UserError, match="name rows from 1 to 3 and columns from 1 to 3"):
            found.index(row, column)
    LatentGrid(grid.latents, None, 3).save(tmp_path / "plain.npz")
    assert LatentGrid.load(tmp_path / "plain.npz").labels is None


def test_a_json_names_exemplars_by_row_and_column(grid, tmp_path):
    grid.save(tmp_path / "grid.npz")
    named = {"latents": "grid.npz", "exemplars": {"woman": [[1, 2], [3, 1]], "man": [[2, 2]]}}
    (tmp_path / "named.json").write_text(json.dumps(named))
    found = read_exemplars(tmp_path / "named.json", ("man",))
    assert found["woman"].tolist() == [[2, 3], [12, 13]] and found["man"].tolist() == [[8, 9]]
    with pytest.raises(UserError, match="names no exemplars of child"):
        read_exemplars(tmp_path / "named.json", ("child",))


def test_exemplars_of_concepts_are_as_many(grid, tmp_path):
    grid.save(tmp_path / "grid.npz")
    named = {"latents": "grid.npz", "exemplars": {"left": [[1, 2], [3, 1]], "right": [[2, 2]], "other": [[1, 1]]}}
    (tmp_path / "named.json").write_text(json.dumps(named))
    with pytest.raises(
        UserError, match="unequal numbers of exemplars, 2 of left, 1 of right: give the same number of each"
    ):
        read_exemplars(tmp_path / "named.json", ("left", "right"))
    assert len(read_exemplars(tmp_path / "named.json", ("right", "other"))["left"]) == 2


def test_exemplars_are_what_the_sampler_shows(gan, conditional_gan, tmp_path):
    plain = Sampler(gan)
    shown = Sampler(conditional_gan, label=1)

    def read(size, labels, places, sampler):
        LatentGrid(torch.zeros(4, size), labels, 2).save(tmp_path / "grid.npz")
        named = {"latents": "grid.npz", "exemplars": {"a": places}}
        (tmp_path / "named.json").write_text(json.dumps(named))
        return read_exemplars(tmp_path / "named.json", ("a",), sampler)["a"]

    labels = torch.tensor([1, 1, 2, 0])
    assert len(read(6, None, [[2, 1]], plain)) == 1
    assert len(read(6, labels, [[1, 1], [1, 2]], shown)) == 2
    assert len(read(6, None, [[2, 1]], shown)) == 1  # a grid without classes
    for size, given, places, sampler, message in (
        (5, None, [[1, 1]], plain, "names latents of 5 numbers, and the generator takes 6: pick among"),
        (6, labels, [[1, 1]], plain, "names samples of class 1, and the generator is unconditional: pick among"),
        (6, labels, [[2, 1]], shown, "names samples of class 2, and class 1 is sampled: type label=2"),
        (6, labels, [[1, 1], [2, 1]], shown, "samples of classes 1, 2, and class 1 is sampled: name samples of one"),
    ):
        with pytest.raises(UserError, match=message):
            read(size, given, places, sampler)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "does not name exemplars"),
        ("[]", "does not name exemplars"),
        ('{"latents": "grid.npz"}', "does not name exemplars"),
        ('{"latents": "grid.npz", "exemplars": {"a": [3]}}', "does not name exemplars"),
        ('{"latents": "grid.npz", "exemplars": {"a": []}}', "names no exemplars of a"),
        ('{"latents": "grid.npz", "exemplars": {"a": [[9, 1]]}}', "row 9, column 1 is not in the grid"),
        ('{"latents": "other.npz", "exemplars": {}}', "there are no latents"),
        ('{"latents": "named.json", "exemplars": {}}', "give the .npz of sample.py"),
    ],
)
def test_a_json_with_mistakes_is_reported(grid, tmp_path, content, message):
    grid.save(tmp_path / "grid.npz")
    (tmp_path / "named.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_exemplars(tmp_path / "named.json")


def test_other_files_are_no_grid(tmp_path):
    np.savez(tmp_path / "other.npz", latents=np.zeros(3), columns=1)
    with pytest.raises(UserError, match="does not hold the latents"):
        LatentGrid.load(tmp_path / "other.npz")
    with pytest.raises(UserError, match="cannot be read"):
        read_exemplars(tmp_path / "absent.json")


def test_exemplars_are_chosen_by_what_they_show(known, classify_known):
    found = choose_exemplars(known, classify_known, {"left": 1, "right": 0}, 20, seed=1)
    assert found.shape == (20, 8) and bool((found[:, 0] > 0).all()) and bool((found[:, 1] < 0).all())
    assert torch.equal(found[:5], choose_exemplars(known, classify_known, {"left": 1, "right": 0}, 5, seed=1))
    assert not torch.equal(found, choose_exemplars(known, classify_known, {"left": 1, "right": 0}, 20, seed=2))
    with pytest.raises(UserError, match="only 0 of 512 samples show left=1"):
        choose_exemplars(known, classify_known, {"left": 1}, 3, least=1.1, most=512)


def test_the_least_certain_factor_counts_and_unknown_ones_are_reported():
    answers = {"a": torch.tensor([[0.2, 0.8], [0.9, 0.1]]), "b": torch.tensor([[0.4, 0.6], [0.3, 0.7]])}
    torch.testing.assert_close(least_probability(answers, {"a": 1, "b": 1}), torch.tensor([0.6, 0.1]))
    for attributes, message in (
        ({"c": 0}, "does not know c=0: choose from a \\(0 to 1\\), b"),
        ({"a": 2}, "does not know a=2"),
        ({}, "no attributes are given"),
    ):
        with pytest.raises(ValueError, match=message):
            least_probability(answers, attributes)
