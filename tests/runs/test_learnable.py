from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ganlab.configuration.entry import CONF
from ganlab.errors import UserError
from ganlab.runs.build import require_learnable


def config(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", [*overrides, "run=x", "name=x"])
    return {group: OmegaConf.to_container(composed[group], resolve=True) for group in ("data", "system")}  # type: ignore[misc]


@pytest.mark.parametrize(
    "overrides, told",
    [
        (["data=pairs"], "system=gan learns from images; data=pairs holds inputs and targets: type data=folder, or"),
        (["data=domains"], "data=domains holds a and b: type data=folder"),
        (["data=image", "data.file=x.png"], "data=image holds image: type data=folder"),
        (
            ["data=digits", "data.inputs=edges"],
            "data=digits data.inputs=edges holds inputs and targets: type data.inputs=none",
        ),
        (
            ["data=pairs", "data.inputs=edges"],
            "data.inputs=edges is made from images; data=pairs holds inputs and targets",
        ),
        (["data=digits", "data.inputs=blur"], "data.inputs=blur is not known"),
    ],
)
def test_a_system_refuses_data_that_it_cannot_learn_from(overrides, told):
    with pytest.raises(UserError, match=told):
        require_learnable(config(*overrides))


def test_images_suit_the_gan_and_without_a_system_all_but_a_single_file():
    require_learnable(config("data=digits"))
    require_learnable({"data": config("data=pairs")["data"]})
    with pytest.raises(UserError, match="data=image is one picture that stays a file"):
        require_learnable({"data": config("data=image", "data.file=x.png")["data"]})
