import pytest

from ganlab.systems.stages import Growing, Stage, Unstaged


def test_one_stage_without_end() -> None:
    assert Unstaged()(0) == Unstaged()(10**9) == Stage()
    assert Unstaged().batch_sizes == frozenset()


def test_levels_fade_in_and_train_on() -> None:
    stages = Growing(4, 16, fading=100, stable=200, batch_sizes={16: 8, 64: 4}, rates={8: 1.5})
    found = {seen: stages(seen) for seen in (0, 199, 200, 250, 300, 499, 500, 599, 600, 10**9)}
    assert [s.index for s in found.values()] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert [s.resolution for s in found.values()] == [4, 4, 8, 8, 8, 8, 16, 16, 16, 16]
    assert [s.fade for s in found.values()] == [1, 1, 0, 0.5, 1, 1, 0, 0.99, 1, 1]
    assert [s.resets for s in found.values()] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [s.rate for s in found.values()] == [1, 1, 1.5, 1.5, 1.5, 1.5, 1, 1, 1, 1]
    assert [s.batch_size for s in found.values()] == [None] * 6 + [8] * 4
    assert stages.batch_sizes == {8}  # nothing of 64 pixels is trained


@pytest.mark.parametrize(
    ("values", "message"),
    [((4, 24, 1, 1), "last=24 must be stages.first=4 doubled"), ((4, 8, 0, 1), "fading=0"), ((4, 8, 1, 0), "stable=0")],
)
def test_impossible_levels_are_refused(values: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Growing(*values)
