import torch
from torch import Tensor

from ganlab.systems.fakes import Fakes

WEIGHT = torch.ones((), requires_grad=True)


def fakes(chunks: int, graph: bool) -> tuple[Fakes, list[bool]]:
    made: list[bool] = []

    def generate(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        made.append(torch.is_grad_enabled())
        return {"images": batch["latents"] * WEIGHT}

    return Fakes(generate, [{"latents": torch.full((1,), float(part))} for part in range(chunks)], graph), made


def test_one_chunk_is_made_at_once_and_shared() -> None:
    drawn, made = fakes(1, graph=True)
    assert made == [True] and not drawn.of(0, graph=False)["images"].requires_grad
    first = drawn.of(0, graph=True)["images"]
    assert first.requires_grad and made == [True]
    second = drawn.of(0, graph=True)["images"]  # of another generating player: the graph was used
    assert second.requires_grad and second is not first and made == [True, True]
    assert fakes(1, graph=False)[1] == [False]


def test_several_chunks_are_made_for_the_player_at_hand() -> None:
    drawn, made = fakes(2, graph=True)
    assert made == []
    assert [drawn.of(part, graph=False)["images"].item() for part in range(2)] == [0, 1] and made == [False] * 2
    assert drawn.of(1, graph=True)["images"].requires_grad and made == [False, False, True]


def test_what_a_generator_stepped_on_is_kept_for_those_after_it() -> None:
    drawn, made = fakes(2, graph=True)
    given = [drawn.of(part, graph=True)["images"] for part in range(2)]
    with torch.no_grad():
        WEIGHT.add_(1)
    later = [drawn.of(part, graph=False)["images"] for part in range(2)]
    WEIGHT.data.fill_(1)
    assert made == [True, True] and not later[1].requires_grad
    assert [value.item() for value in later] == [value.item() for value in given]
