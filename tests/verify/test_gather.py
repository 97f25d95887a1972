"""Small pieces are put together before they are looked at, and nothing gets lost or out of order by it."""

from __future__ import annotations

import numpy as np

from fleet.data import RawBatches
from fleet.verify.gather import ENOUGH_BYTES, joined


def piece(start: int, stop: int, *, size: int = 10) -> RawBatches:
    return RawBatches(
        partition=3,
        start=start,
        stop=stop,
        data=(bytes([start]) * size,),
        first_offset=np.array([start]),
        first_ms=np.array([1000 * start]),
        count=np.array([stop - start]),
        appended=np.array([False]),
        damaged=((start, 1, "torn"),),
    )


def test_pieces_that_follow_one_another_are_one() -> None:
    one = joined([piece(0, 4), piece(4, 5), piece(5, 9)])

    assert (one.partition, one.start, one.stop, len(one.data)) == (3, 0, 9, 3)
    assert one.first_offset.tolist() == [0, 4, 5]
    assert one.first_ms.tolist() == [0, 4000, 5000]
    assert one.count.tolist() == [4, 1, 4]
    assert [at for at, _, _ in one.damaged] == [0, 4, 5]


def test_a_piece_by_itself_is_left_as_it_is() -> None:
    alone = piece(0, 4, size=ENOUGH_BYTES)

    assert joined([alone]) is alone
