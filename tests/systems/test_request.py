import torch

from ganlab.systems.request import Request


def test_a_part_of_a_request_keeps_what_belongs_to_its_rows() -> None:
    request = Request.first(4, labels=torch.tensor([5, 6, 7, 8]), statistics="running")
    part = request.rows(torch.tensor([3, 1]))
    assert len(part) == 2 and part.indices.tolist() == [3, 1] and part.labels is not None
    assert part.labels.tolist() == [8, 6] and part.statistics == "running" and part.inputs is None
    assert request.rows(slice(0, 3)).indices.tolist() == [0, 1, 2]


def test_blocks_are_of_a_hundred_numbers() -> None:
    blocks = Request(torch.tensor([250, 0, 99, 100, 251])).blocks()
    assert [(number, rows.tolist()) for number, rows in blocks] == [(0, [1, 2]), (1, [3]), (2, [0, 4])]
