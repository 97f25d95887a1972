"""What is unusual in the numbers of logs, found by columns: the same as by looking at one record after another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import SeqSpan
from fleet.encode.labels import Labels, label_fields
from fleet.verify.machine import MachineLogs
from fleet.verify.named import Known, Named, settled
from fleet.verify.observe import NONE, Observed, by_log
from fleet.verify.passing import Numbers
from tests.encode.blocks import label, machine
from tests.run.handmade import spans_of

LOGS = 3
NUMBERS = st.lists(st.tuples(st.integers(0, LOGS - 1), st.integers(0, 30)), min_size=1, max_size=60)
CUTS = st.lists(st.integers(1, 59), max_size=4, unique=True)
FEW = st.sets(st.integers(0, 34), max_size=8)


def observed(records: list[tuple[int, int]], cuts: list[int]) -> tuple[MachineLogs, Observed]:
    """Feed (log, number) pairs in pieces."""
    logs = MachineLogs()
    for _ in range(LOGS):
        logs.add(0, 0)
    seen = Observed(logs)
    for start, stop in pairwise([0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]):
        log, seq = np.array(records[start:stop], np.int64).T
        numbers = Numbers(log, seq, np.ones(len(log), np.bool_), np.zeros(len(log), np.int64))
        seen.take(numbers, np.arange(len(log)), np.arange(start, stop))
    return logs, seen


@given(records=NUMBERS, cuts=CUTS, lost=FEW, doubled=FEW, late=FEW)
def test_numbers_are_told_apart_as_by_looking_at_one_after_another(
    records: list[tuple[int, int]], cuts: list[int], lost: set[int], doubled: set[int], late: set[int]
) -> None:
    spans = {"lost": spans_of(sorted(lost)), "doubled": spans_of(sorted(doubled)), "late": spans_of(sorted(late))}
    labels = Labels("r")
    labels.extend(label_fields(label(machine("m"), 0, stop_us=1, **spans), run="r"))

    logs, seen = observed(records, cuts)

    gaps, behind = map(by_log, seen.finish())
    for log in range(LOGS):
        seqs = [seq for of, seq in records if of == log]
        stop = max(seqs, default=-1) + 1
        assert logs.next_seq[log] == stop
        found = settled(gaps.get(log, NONE), behind.get(log, NONE), Named(labels).of("m"), Known(stop, dense=False))
        came_late = {seq for at, seq in enumerate(seqs) if seq not in seqs[:at] and seq < max(seqs[:at], default=0)}
        copies = {seq: seqs.count(seq) - 1 for seq in seqs if seqs.count(seq) > 1}
        absent = set(range(stop)) - set(seqs)
        assert found.missing == len(absent - lost)
        assert found.lost == len(absent & lost)
        assert found.doubled == len(copies.keys() & doubled)
        assert found.behind == len(came_late & late)
        assert sorted(found.late.start.tolist()) == sorted(came_late - late)
        again = [seq for seq, count in copies.items() for _ in range(count - (seq in doubled))]
        assert sorted(found.again.start.tolist()) == sorted(again)
        left = {
            seq for a, b in zip(found.gaps.start.tolist(), found.gaps.stop.tolist(), strict=True) for seq in range(a, b)
        }
        assert left == absent - lost
        unlike = {kind: {seq for of, numbers in found.unlike if of == kind for seq in numbers.tolist() if seq < stop}
                  for kind in ("lost", "doubled", "behind")}  # fmt: skip
        there = set(range(stop))
        assert unlike["lost"] == lost & there - absent
        assert unlike["doubled"] == doubled & there - copies.keys()
        assert unlike["behind"] == late & there - came_late - (absent - lost)


@pytest.mark.parametrize("cut", [[], [3], [4], [5]])
def test_one_wild_number_is_taken_for_the_one_that_is_missing(cut: list[int]) -> None:
    records = [(0, seq) for seq in (0, 1, 2, 3, 9999, 5, 6, 8)]

    logs, seen = observed(records, cut)

    gaps, behind = seen.finish()
    assert logs.next_seq[0] == 9
    assert (gaps.start.tolist(), gaps.stop.tolist()) == ([7], [8])
    assert not len(behind.log)


def test_a_wide_gap_that_nothing_takes_back_stays_one() -> None:
    _, seen = observed([(0, 0), (0, 500), (0, 501), (1, 0)], [2, 3])

    gaps, _ = seen.finish()

    assert (gaps.start.tolist(), gaps.stop.tolist(), gaps.offset.tolist()) == ([1], [500], [1])


def test_what_is_too_much_to_keep_is_counted_and_what_a_label_may_be_about_is_kept() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fleet.verify.observe.KEPT_MAX", 8)
        logs = MachineLogs()
        logs.add(0, 0)
        seen = Observed(logs, keep=lambda gaps: gaps.start == 3)
        for at in range(20):
            seq = np.array([2 * at], np.int64)
            numbers = Numbers(np.zeros(1, np.int64), seq, np.ones(1, np.bool_), np.zeros(1, np.int64))
            seen.take(numbers, np.arange(1), np.array([at]))

    gaps, _ = seen.finish()

    assert int(seen.folded[0]) + gaps.numbers == 19
    assert int(seen.folded[0]) > 0
    assert 3 in gaps.start.tolist()
    assert not seen.blurred[0]


@given(
    spans=st.lists(st.builds(SeqSpan, st.integers(0, 50), st.integers(1, 9), st.integers(1, 5)), max_size=5),
    stop=st.integers(0, 60),
)
def test_spans_of_any_step_are_the_numbers_they_say(spans: list[SeqSpan], stop: int) -> None:
    labels = Labels("r")
    labels.extend(label_fields(label(machine("m"), 0, lost=tuple(spans)), run="r"))
    said = [span.first + k * span.step for span in spans for k in range(span.count)]

    named = Named(labels)

    assert named.total("lost") == len(said)
    if spans:
        numbers = named.of("m")["lost"]
        assert numbers.before(stop).tolist() == sorted({number for number in said if number < stop})
        beyond = [number for number in said if number >= stop]
        assert numbers.beyond(stop) == (len(beyond), max([*beyond, stop - 1]) + 1)
