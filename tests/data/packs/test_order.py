import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ganlab.data.packs.order import EndlessOrder

COUNTS = st.integers(1, 50)
SEEDS = st.integers(0, 2**63)


@given(COUNTS, SEEDS, st.integers(0, 1000))
def test_every_epoch_is_a_permutation(count, seed, epoch):
    assert sorted(EndlessOrder(count, seed).indices(epoch * count, count)) == list(range(count))


@given(COUNTS, SEEDS, st.integers(0, 500), st.lists(st.integers(0, 120), max_size=6))
def test_pieces_of_any_size_make_the_same_stream(count, seed, start, sizes):
    order, position, pieces = EndlessOrder(count, seed), start, [np.empty(0, np.int64)]
    for size in sizes:
        pieces.append(order.indices(position, size))
        position += size
    straight = EndlessOrder(count, seed).indices(start, sum(sizes))
    assert straight.dtype == np.int64 and straight.shape == (sum(sizes),)
    assert np.array_equal(np.concatenate(pieces), straight)


def test_the_stream_is_the_same_on_every_machine_and_differs_by_epoch_and_seed():
    assert EndlessOrder(5, 0).indices(0, 10).tolist() == [2, 4, 3, 0, 1, 1, 4, 3, 0, 2]
    assert not np.array_equal(EndlessOrder(100, 0).indices(0, 100), EndlessOrder(100, 0).indices(100, 100))
    assert not np.array_equal(EndlessOrder(100, 0).indices(0, 100), EndlessOrder(100, 1).indices(0, 100))
