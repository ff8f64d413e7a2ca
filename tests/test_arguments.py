from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from ganlab.arguments import Count, Natural, NonNegative, Positive, Several, Share, Within, checked, refused, unmet


@checked
class Net:
    def __init__(self, width: Count, *, dropout: Share = 0.0, bias: bool = False, name: str = "", **rest: float):
        self.values = (width, dropout, bias, name, rest)


@checked
@dataclass(frozen=True)
class Settings:
    images: Count
    size: Several | None = None


@checked
def steps(d_steps: Count = 1) -> int:
    """Steps of D."""
    return d_steps


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Natural, (0, 7, np.int64(3)), (-1, 1.0, True, "1", None, nan)),
        (Count, (1, 10**12), (0, -3, 2.5, False)),
        (Several, (2,), (1,)),
        (NonNegative, (0, 0.0, 1e9, np.float32(2)), (-1e-9, inf, nan, True, "0.1", None)),
        (Positive, (1e-12, 3), (0, 0.0, -1, inf, nan)),
        (Share, (0, 0.5, 1), (-0.1, 1.1, nan)),
        (Annotated[int, Within(3, 5)], (3, 5), (2, 6)),
        (float, (-3, 2.5), (nan, -inf, "x", True)),
        (bool, (True, False), (0, 1, None, "yes")),
        (Count | None, (None, 1), (0, "null")),
        (Literal["auto"] | bool, ("auto", True), ("yes", 1, None)),
        (list[Count], ([], [1, 2], (3,)), ([0], [1, 0], 5, "12")),
        (str, ("a", Path("a")), (None, 1, True, ["a"])),
        (Net, (object(), None), ("a", 1, [])),
        (Net | None, (None, object()), ("a",)),
        (Sequence[str], (["a"], ("a",), []), ("a", [1], 1)),
        (tuple[float, float], ([0.5, 0.9], (0.5, 0.9)), ("a", 0.5)),
        (Mapping[str, int], ({},), ("a", [])),
        (Any, ("a", 1, []), ()),
        (Count, (2**63 - 1,), (2**63, 10**30)),
    ],
)
def test_an_annotation_says_which_values_may_be(kind: Any, good: tuple, bad: tuple) -> None:
    assert [value for value in good if unmet(kind, value)] == []
    assert [value for value in bad if not unmet(kind, value)] == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Net(0), "width=0 must be a whole number of at least 1"),
        (lambda: Net(3, dropout=1.5), "dropout=1.5 must be a number from 0 to 1"),
        (lambda: Net(3, bias=1), "bias=1 must be true or false"),
        (lambda: Settings(images=True), "images=true must be a whole number of at least 1"),
        (lambda: Settings(1, size=1), "size=1 must be a whole number of at least 2"),
        (lambda: steps(d_steps=None), "d_steps=null must be a whole number of at least 1"),
    ],
)
def test_a_call_with_a_wrong_value_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()


def test_a_call_with_sound_values_is_as_without_checks() -> None:
    assert Net(3, name="x", depth=2).values == (3, 0.0, False, "x", {"depth": 2})
    assert Settings(4) == Settings(images=4, size=None) and steps() == 1
    with pytest.raises(TypeError, match="width"):
        Net()


def test_what_a_configuration_names_is_checked_by_the_same_signature() -> None:
    assert refused(Net, {"width": 0, "bias": False, "unheard_of": 0}) == {"width": "a whole number of at least 1"}
