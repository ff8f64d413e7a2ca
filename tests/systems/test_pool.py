import pytest
import torch
from torch import Tensor

from ganlab.systems.pool import ImagePool
from ganlab.transfer import send


def fakes(*values: int) -> dict[str, Tensor]:
    numbers = torch.tensor(values)
    return {"images": numbers.float().view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone(), "labels": numbers}


def test_it_fills_then_exchanges_half() -> None:
    torch.manual_seed(0)
    pool = ImagePool(64)
    for start in (0, 32):
        assert pool(fakes(*range(start, start + 32)), 0, start)["labels"].tolist() == [*range(start, start + 32)]
    shown = pool(fakes(*range(1000, 1032)), 0, 64)["labels"]
    old = shown[shown < 64]
    assert 8 <= len(old) <= 24 and len(old.unique()) == len(old)
    held = pool.held["labels"]
    assert sorted(torch.cat([shown, held]).tolist()) == [*range(64), *range(1000, 1032)]  # nothing is lost or doubled


def test_what_belongs_together_stays_together() -> None:
    torch.manual_seed(0)
    pool = ImagePool(5)
    for start in range(0, 80, 8):  # a minibatch larger than the pool
        shown = pool(fakes(*range(start, start + 8)), 0, start)
        assert torch.equal(shown["images"][:, 0, 1, 1].long(), shown["labels"])
        assert len(pool.held["labels"]) == 5
        assert torch.equal(pool.held["images"][:, 0, 0, 0].long(), pool.held["labels"])


def test_one_copy_a_minibatch_goes_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Tensor] = []

    def noting(values: Tensor, device: torch.device) -> Tensor:
        sent.append(values)
        return send(values, device)

    monkeypatch.setattr("ganlab.systems.pool.send", noting)
    pool = ImagePool(8)
    for start in (0, 8, 16):
        pool(fakes(*range(start, start + 8)), 0, start)
    assert [values.shape[0] for values in sent] == [2, 2, 2] and sent[0].numel() == 0 < sent[2].numel()


def test_it_neither_keeps_a_graph_nor_changes_the_fakes() -> None:
    pool = ImagePool(2)
    given = {"images": torch.ones(4, 1, 2, 2, requires_grad=True)}
    pool(given, 0, 0)
    assert not pool(given, 0, 0)["images"].requires_grad and bool(given["images"].eq(1).all())


def test_its_content_travels_in_the_state_dict() -> None:
    pools = [ImagePool(4), ImagePool(4)]
    pools[0](fakes(1, 2, 3, 4), 0, 0)
    pools[1].load_state_dict(pools[0].state_dict())
    shown = []
    for pool in pools:
        torch.manual_seed(3)
        shown.append(pool(fakes(7, 8, 9), 0, 4)["labels"].tolist())
    assert shown[0] == shown[1] and shown[0] != [7, 8, 9]
