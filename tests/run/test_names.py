from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.run.names import names_of, written_names

PIECES = st.sampled_from(
    ["a-001", "a-002", "a-003", "a-999", "a-1000", "b-7", "b-8", "b", "12", "13", "a-001..003", ""]
)


def test_neighbours_become_ranges() -> None:
    ids = [*(f"filling-pump-{number:03d}" for number in range(1, 5)), "worn", "press-9", "press-10"]

    written = written_names(ids)

    assert written == ["filling-pump-001..004", "worn", "press-9..10"]
    assert names_of(written) == ids


@given(ids=st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=12))
def test_what_was_written_is_read_again(ids: list[str]) -> None:
    assert names_of(written_names(ids)) == ids
