import pytest

from ganlab.paper.figure import Claim


@pytest.mark.parametrize(
    ("scores", "holds"),
    [
        ({"ours": [3.0, 2.0], "theirs": [1.0, 1.9]}, True),
        ({"ours": [3.0, 1.5], "theirs": [1.0, 1.9]}, False),  # the smallest is below the largest
        ({"ours": [3.0, float("nan")], "theirs": [1.0]}, True),
        ({"ours": [3.0]}, None),
    ],
)
def test_a_claim_holds_for_all_checkpoints_or_not(scores: dict[str, list[float]], holds: bool | None) -> None:
    assert Claim("ours is more", "ours", "theirs").holds(scores) is holds


def test_a_claim_against_a_number() -> None:
    assert Claim("more than even", "lift", 1.0).holds({"lift": [1.1, 1.4]}) is True
