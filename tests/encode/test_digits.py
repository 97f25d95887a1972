from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet.encode.digits import decimal_table, digit_table, instant_table
from fleet.encode.json import instants, number


@given(st.lists(st.floats(width=64) | st.decimals(-100_000, 100_000, places=4).map(float), min_size=1, max_size=40))
def test_decimals_are_the_texts_that_python_writes(values: list[float]) -> None:
    table, length = decimal_table(np.array(values, np.float64))

    written = [bytes(row[:size]).decode() for row, size in zip(table, length.tolist(), strict=True)]

    assert written == [number(value) for value in values]


@given(st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=40))
def test_digits_are_the_texts_of_whole_numbers(values: list[int]) -> None:
    table, length = digit_table(np.array(values, np.int64))

    assert [bytes(row[:size]).decode() for row, size in zip(table, length.tolist(), strict=True)] == list(
        map(str, values)
    )


@given(st.lists(st.integers(0, 2**53), min_size=1, max_size=20))
def test_instants_are_rfc_3339(times: list[int]) -> None:
    column = np.array(times, np.int64)

    assert [bytes(row).decode() + "Z" for row in instant_table(column)] == instants(column)
