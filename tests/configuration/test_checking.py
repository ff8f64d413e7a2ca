from typing import Any

import pytest
from omegaconf import OmegaConf

from ganlab.configuration.checking import check
from ganlab.errors import UserError

AUTOMATIC = ("machine.channels_last", "machine.fused", "machine.tf32", "machine.data_on_device", "trainer.benchmark")


def nested(key: str, value: Any) -> Any:
    """A configuration of one dotted key."""
    group, name = key.split(".")
    return OmegaConf.create({group: {name: value}})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(32, "32-true"), ("32", "32-true"), ("32-true", "32-true"), ("bf16", "bf16-mixed"), ("auto", "auto")],
)
def test_a_precision_may_be_typed_in_several_ways(typed: Any, meant: str) -> None:
    assert check(nested("trainer.precision", typed)) == {"trainer": {"precision": meant}}


@pytest.mark.parametrize(("typed", "shown"), [(16, "16"), ("64-true", "64-true"), (None, "null"), (True, "true")])
def test_other_precisions_are_refused(typed: Any, shown: str) -> None:
    with pytest.raises(UserError, match=f"trainer.precision={shown} is not supported: choose 32-true or bf16-mixed"):
        check(nested("trainer.precision", typed))


@pytest.mark.parametrize("key", AUTOMATIC)
def test_what_the_machine_may_choose_is_auto_true_or_false(key: str) -> None:
    for value in ("auto", True, False):
        assert check(nested(key, value))
    for value in ("yes", 1):
        with pytest.raises(UserError, match=f"{key}={value} must be auto, true or false"):
            check(nested(key, value))


def test_cudnn_alone_may_be_left_to_decide() -> None:
    for key in AUTOMATIC:
        if key == "trainer.benchmark":
            assert check(nested(key, None)) == {"trainer": {"benchmark": None}}
        else:
            with pytest.raises(UserError, match=f"{key}=null must be auto, true or false"):
                check(nested(key, None))
