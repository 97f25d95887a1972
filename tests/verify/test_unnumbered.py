"""Logs whose first records have no number: what is missing among them, or too much, is found without their numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.api import load
from fleet.encode.avro import frame
from fleet.encode.schemas import schema_ids
from fleet.verify.findings import FINDINGS_SHOWN, Finding, Findings
from fleet.verify.named import Settled
from fleet.verify.observe import Spans
from fleet.verify.outcome import OneLog, Outcome
from fleet.verify.unnumbered import Filled, stretches
from tests.run.evolution import SCENARIO, evolving
from tests.run.runs import carried_out, planned, read_back
from tests.run.sinks import FakeClock, FakeSink, sinks
from tests.verify.logs import Past

OURS = SCENARIO.replace("  - {at: 48 s, schema: next.avsc, fields: {machine_id: machine}}\n", "")
BACK = "  - {at: 40 s, schema: 1, line: packing}\n  - {at: 45 s, schema: 2, line: packing}\n"
READINGS = ("factory.readings", 0)


@cache
def whole(*, back: bool = False) -> Past:
    """Run a scenario that begins without numbers; *back*: and goes without again in the middle."""
    with TemporaryDirectory() as folder:
        scenario = load(evolving(Path(folder), OURS + BACK * back))
        with sinks(sink := FakeSink(FakeClock())) as own:
            carried_out(planned(*own, of=scenario, length_s=None), sink.clock)
    return read_back(sink.batches)


def places_of(run: Past, version: int, key: bytes = b"") -> list[int]:
    """Give where records of a *version* stand, all of them or those of one machine."""
    log, head = run.logs[READINGS], frame(schema_ids()[f"machine-sensor.v{version}.avsc"])
    return [at for at, each in enumerate(log) if (each.value or b"").startswith(head) and key in {b"", each.key}]


def counts(run: Past) -> dict[Finding, int]:
    """Judge a run that nothing is said of but the account: no digest helps."""
    for record in run.records:
        for topic in record.get("topics", ()):
            topic["digests"] = []
    return {Finding(name): count for name, count in run.verdict().counts.items()}


@pytest.mark.parametrize("back", [False, True])
def test_nothing_is_wrong_with_a_whole_log(back: bool) -> None:
    verdict = whole(back=back).verdict()

    assert verdict.proven, verdict.lines()
    assert verdict.streams["readings"].numbered


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(1, 3), st.sets(st.integers(0, 1 << 20), min_size=1, max_size=4))
def test_what_is_missing_is_counted_in_whichever_version_it_was(back: bool, version: int, gone: set[int]) -> None:
    run = whole(back=back).copy()
    here = places_of(run, version)
    if version == 3:  # what is behind the last number nobody misses but the account
        here = here[: -len(here) // 4]
    chosen = sorted({here[each % len(here)] for each in gone}, reverse=True)
    for at in chosen:
        del run.logs[READINGS][at]

    found = counts(run)

    assert found.pop(Finding.LOST) == len(chosen)  # the account has them acknowledged
    assert found == {Finding.GAP: len(chosen)}


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(1, 3), st.integers(0, 1 << 20))
def test_a_second_copy_is_found_in_whichever_version_it_is(back: bool, version: int, which: int) -> None:
    run = whole(back=back).copy()
    here = places_of(run, version)
    at = here[which % len(here)]
    run.logs[READINGS].insert(at, run.logs[READINGS][at])

    assert counts(run) == {Finding.DUPLICATE: 1}


def test_a_record_that_came_once_for_one_that_did_not_is_both() -> None:
    run = whole().copy()
    log = run.logs[READINGS]
    first = places_of(run, 1, b"filling-pump-001")[7]
    other = places_of(run, 1, b"packing-conveyor-001")[7]
    log[first] = log[other]

    found = counts(run)

    assert found.pop(Finding.STAMP)  # it stands among older ones of its own log
    assert found == {Finding.GAP: 1, Finding.DUPLICATE: 1, Finding.LOST: 1}


def test_the_line_says_how_many_and_between_which_numbers() -> None:
    run = whole().copy()
    del run.logs[READINGS][places_of(run, 1, b"packing-conveyor-001")[7]]

    lines = run.verdict().findings

    (said,) = [line for line in lines if "packing-conveyor-001" in line]
    assert "seq 0 to 74 are not said by any record, and 1 fewer records are there without a number" in said


def test_a_trimmed_log_begins_with_any_number() -> None:
    run = whole().copy()
    gone = places_of(run, 1)[40]

    verdict = run.verdict(trimmed={READINGS: gone})

    assert not verdict.counts, verdict.lines()


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40))
def test_stretches_are_all_of_one_sort_and_keep_the_order_of_each_log(rows: list[tuple[int, bool]]) -> None:
    log = np.array([each for each, _ in rows], np.int64)
    numbered = np.array([has for _, has in rows], np.bool_)

    parts = [np.arange(len(rows))[part] for part in stretches(log, numbered)]

    assert all(len(set(numbered[part].tolist())) <= 1 for part in parts)
    joined = [row for part in parts for row in part.tolist()]
    assert sorted(joined) == list(range(len(rows)))
    for each in range(4):
        mine = [row for row in joined if log[row] == each]
        assert mine == sorted(mine)


def test_only_the_first_of_what_is_missing_is_said_however_many_logs_lack_records() -> None:
    outcome = Outcome(Findings(), set())
    gaps = Spans(*(np.array(column, np.int64) for column in ([0] * 3, [5, 7, 9], [6, 8, 10], [0] * 3, [1, 2, 3])))

    for number in range(FINDINGS_SHOWN + 2):  # each one line
        outcome.fill(OneLog("readings", f"m{number}", 0, "t[0]", 0), Filled(missing=1, stop=4))
    outcome.settle(OneLog("readings", "last", 1, "t[1]", 0), Settled(missing=3, gaps=gaps))

    assert len(outcome.missing_lines) == FINDINGS_SHOWN
    assert outcome.missing_lines[-1].startswith(f"t[0]: m{FINDINGS_SHOWN - 1}: seq 0 to 3 are not said by any record")
    assert outcome.missing["readings"] == FINDINGS_SHOWN + 5
    assert outcome.lacking["readings"] == {0, 1}
