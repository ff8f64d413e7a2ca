import pytest
import torch
from torch import Tensor

from ganlab.objectives.augmentations import Translation
from ganlab.objectives.losses import LeastSquares, NonSaturating, RelativisticPairing
from ganlab.objectives.penalties import R1
from ganlab.systems.adversary import Adversary, Moment, ranking

MOMENT = Moment(seed=0, images_seen=0, step=0)


def halves(images: Tensor) -> Tensor:
    """A map of two logits a picture: the sums of its left and right half."""
    return torch.stack([half.sum((1, 2, 3)) for half in images.chunk(2, dim=3)], 1)[:, None, None]


def shown(*levels: float, channels: int = 1) -> dict[str, Tensor]:
    return {"images": torch.tensor(levels)[:, None, None, None].expand(-1, channels, 4, 4)}


def test_input_pictures_are_channels_in_front_under_the_same_transform() -> None:
    torch.manual_seed(0)
    seen: list[Tensor] = []

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return images.mean((1, 2, 3))

    inputs = {"inputs": torch.arange(16.0).view(1, 1, 4, 4).expand(8, -1, -1, -1)}
    logits = Adversary(NonSaturating(), augmentations=[Translation(share=0.5)]).discriminate(
        network, {"images": inputs["inputs"] + 100} | inputs
    )
    assert logits.shape == (8,) and seen[0].shape == (8, 2, 4, 4)
    inside = seen[0][:, 1] != 0  # zeros move in
    assert torch.equal((seen[0][:, 1] - seen[0][:, 0])[inside], torch.full((int(inside.sum()),), 100.0))
    assert not inside.all()


def test_maps_of_logits_are_averaged_by_the_objective_and_per_picture_in_the_ranking() -> None:
    adversary = Adversary(LeastSquares(), {"r1": R1(2.0)}, name="d_a")
    terms = adversary.discriminator_loss(halves, halves, shown(0.25, 0.5), shown(0.125, 0.0), MOMENT)
    assert terms["adversarial"].item() == pytest.approx(0.5 * ((1 + 9) / 2 + (1 + 0) / 2))
    assert terms["r1"].item() == pytest.approx(16.0)  # each of 16 pixels has a derivative of 1
    assert {name: value.item() for name, value in adversary.scalars.items()} == {
        "d_a/accuracy": 1.0, "d_a/margin": pytest.approx(3.0 - 0.5),
    }  # fmt: skip
    scores = ranking(torch.tensor([[[[0.0, 4.0]]], [[[1.0, 1.0]]]]), torch.tensor([[[[1.0, 2.0]]]]))
    assert scores["accuracy"] == 0.5 and scores["margin"] == 0.0


def test_the_generators_term_and_its_slope() -> None:
    adversary = Adversary(RelativisticPairing())
    terms = adversary.generator_loss(halves, shown(0.0), shown(1.0), "g_a")
    assert terms["adversarial"].item() == pytest.approx(torch.nn.functional.softplus(torch.tensor(-8.0)).item())
    assert adversary.scalars.keys() == {"g_a/slope"}
    assert adversary.scalars["g_a/slope"].item() == pytest.approx(torch.tensor(-8.0).sigmoid().item(), rel=1e-4)


def test_two_adversaries_share_no_state() -> None:
    first, second = (Adversary(NonSaturating(), replay=4) for _ in range(2))
    first.discriminator_loss(halves, halves, shown(1.0), shown(2.0), MOMENT)
    assert first.pool is not None and second.pool is not None
    assert len(first.pool.held["images"]) == 1 and not second.pool.held
