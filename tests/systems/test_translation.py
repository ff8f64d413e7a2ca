"""How pictures are made from pictures: one by one, with noise by number, pasted, there and back."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ganlab.errors import UserError
from ganlab.objectives.adaptive import Adaptive
from ganlab.objectives.losses import NonSaturating
from ganlab.systems.adversary import Adversary, Moment
from ganlab.systems.request import Request
from ganlab.systems.translation import translated

sys.path.insert(0, str(Path(__file__).parent))
from families import SIDE, context_encoder, cycle_of_two, pix2pix  # noqa: E402


def pictures(count: int = 5, seed: int = 0, **given: Any) -> Request:
    rng = torch.Generator().manual_seed(seed)
    return Request.first(count, inputs=torch.randint(0, 256, (count, 1, SIDE, SIDE), generator=rng).byte(), **given)


def one_by_one(system: Any, request: Request, task: str = "") -> torch.Tensor:
    return torch.cat([system.decode(request.rows(slice(i, i + 1)), 3, task) for i in range(len(request))])


@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_pictures_together_are_what_each_is_by_itself(statistics: Any, dropout: bool) -> None:
    system, request = pix2pix("batch", statistics=statistics, dropout=dropout), pictures()
    state = torch.get_rng_state()
    made = system.decode(request, 3)
    assert torch.equal(torch.get_rng_state(), state)
    tolerance = 0.0 if dropout or statistics == "batch" else 1e-6  # others pass together
    torch.testing.assert_close(made, one_by_one(system, request), rtol=0, atol=tolerance)
    assert torch.equal(system.decode(request, 3), made) and made.requires_grad
    assert torch.equal(system.decode(request, 4), made) != dropout  # dropout alone depends on the seed
    shifted = replace(request, indices=request.indices + 1)
    assert torch.equal(system.decode(shifted, 3), made) != dropout
    assert torch.equal(system.decode(replace(request, inputs=system.as_floats(request.inputs)), 3), made)
    assert torch.equal(system.decode(replace(request, dropout=False), 3), made) != dropout
    found = {"batch_norm": "each picture" if statistics == "batch" else "running", "dropout": dropout, "ema": False}
    assert system.sampling_protocol() == found
    assert all(norm.running_mean.abs().max() == 0 for norm in system.modules() if hasattr(norm, "running_mean"))


def test_statistics_of_one_picture_are_instance_norm() -> None:
    batch, instance = (pix2pix(normalization) for normalization in ("batch", "instance"))
    instance.networks["generator"].load_state_dict(
        {
            key: batch.networks["generator"].state_dict().get(key, torch.zeros_like(value))
            for key, value in instance.networks["generator"].state_dict().items()
        }
    )
    for norm in batch.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(norm.weight)
    x = batch.as_floats(pictures().inputs)
    made = [translated(each.networks["generator"], x, dropout=False) for each in (batch, instance)]
    torch.testing.assert_close(*made, rtol=0, atol=1e-5)


def test_without_pictures_the_command_for_them_is_named() -> None:
    with pytest.raises(UserError, match="pictures from pictures, not from latents: type python src/translate.py"):
        pix2pix().sample(1)


def test_a_completed_picture_is_the_input_but_for_the_hole() -> None:
    system, masks = context_encoder(), torch.zeros(5, 1, SIDE, SIDE, dtype=torch.uint8)
    masks[:, :, 5:11, 4:12] = 1
    request = pictures(masks=masks)
    assert request.inputs is not None
    made, hole = system.respond(request, 0), masks.expand(5, 1, SIDE, SIDE) > 0
    assert torch.equal(made[~hole], request.inputs[~hole]) and not torch.equal(made[hole], request.inputs[hole])
    predicted = system.networks["generator"](system.as_floats(request.inputs))
    torch.testing.assert_close(system.decode(request, 0)[:, :, 5:11, 4:12], predicted[:, :, 1:7])
    without = system.decode(replace(request, masks=None), 0)
    torch.testing.assert_close(without[:, :, 4:12, 4:12], predicted)


def test_around_a_random_region_every_pixel_is_known() -> None:
    system = context_encoder(region="whole", inputs="random_region", known=3.0)
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    masks[:, :4] = True
    bytes_ = torch.zeros(2, SIDE, SIDE, 1, dtype=torch.uint8)
    weights = system.prepare({"inputs": bytes_, "targets": bytes_, "masks": masks})["weights"]
    assert weights.shape == (2, 1, SIDE, SIDE) and weights[:, :, :4].unique() == 1 and weights[:, :, 4:].unique() == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "occlusion"}, "predicts the centre, and data.inputs=occlusion does not take that away: type"),
        ({"region": "whole", "inputs": "edges"}, "type data.inputs=centre_hole or random_region or occlusion"),
        ({"normalization": "batch", "statistics": "batch"}, "meets one value of a picture by itself: type system"),
    ],
)
def test_what_a_context_encoder_cannot_do_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        context_encoder(**options)


def test_a_cycle_is_shown_there_and_back() -> None:
    system, request = cycle_of_two(dropout=False), pictures(3, targets=torch.zeros(3, 1, SIDE, SIDE, dtype=torch.uint8))
    assert system.tasks() == ("a_to_b", "b_to_a")
    there = system.respond(request, 0, "a_to_b")
    back = system.respond(replace(request, inputs=there), 0, "b_to_a")
    shown = system.preview_images({"a_to_b": request, "b_to_a": replace(request, targets=None)})
    assert request.inputs is not None and request.targets is not None
    row = torch.cat([request.inputs, there, back, request.targets], dim=3).expand(-1, 3, -1, -1)
    assert torch.equal(shown["a_to_b"], row) and shown["b_to_a"].shape == (3, 3, SIDE, 3 * SIDE)
    assert not torch.equal(there, system.respond(request, 0, "b_to_a"))


def test_each_discriminator_logs_its_own_augmentation() -> None:
    images = {"images": torch.zeros(4, 1, SIDE, SIDE)}
    for name, key in (("discriminator", "augment/p"), ("d_a", "augment/p/d_a")):
        parts: Any = {"blit": True, "geometry": False, "colour": False, "signal": "sign"}
        adaptive = Adaptive(**parts, start=0.25, limit=0.8, target=0.6, speed=1000, interval=400)
        adversary = Adversary(NonSaturating(), augmentations=[adaptive], name=name)
        network = lambda x: x.mean((1, 2, 3))  # noqa: E731
        adversary.discriminator_loss(network, network, images, images, Moment(0, 0, 0))
        assert adversary.scalars[key] == 0.25
