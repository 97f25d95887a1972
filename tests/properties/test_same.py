"""Law 1: the same readings and events wherever blocks are cut and whoever computes them; law 2 of added machines."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import Block
from fleet.encode.digest import MachineDigest
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.scenario.roster import Roster
from tests.properties.plans import MAXIMUM_US, cuts_us, machine_entries, plans, seeds
from tests.sim.plants import START_US, assert_same, blocks_of, events_of, line, logs_of, roster_of, same

SECONDS = MAXIMUM_US / 1e6
PARTITIONS = 5


@given(plans(), seeds, cuts_us)
@settings(max_examples=40)
def test_readings_and_events_do_not_depend_on_where_blocks_end(
    lines: list[dict[str, Any]], seed: int, cuts: list[int]
) -> None:
    roster = roster_of(*lines)

    whole, cut = blocks_of(roster, SECONDS, seed=seed), blocks_of(roster, SECONDS, seed=seed, cuts_us=cuts)

    assert_same(whole, cut)


@given(plans(), seeds, cuts_us)
@settings(max_examples=20)
def test_workers_together_compute_what_one_alone_does(lines: list[dict[str, Any]], seed: int, cuts: list[int]) -> None:
    roster = roster_of(*lines)
    alone = blocks_of(roster, SECONDS, seed=seed)

    for workers in (2, 7):
        shares = [blocks_of(roster, SECONDS, seed=seed, cuts_us=cuts, islands=(i, workers)) for i in range(workers)]

        ours, parts = logs_of(alone), [logs_of(share) for share in shares]
        assert sorted(ours) == sorted(name for part in parts for name in part)
        assert all(same(log, ours[name]) for part in parts for name, log in part.items())
        assert events_of(alone) == {name: of for share in shares for name, of in events_of(share).items()}


@given(plans(), seeds, cuts_us, st.sets(st.integers(0, 5)))
@settings(max_examples=20)
def test_readings_of_some_are_those_they_have_among_all(
    lines: list[dict[str, Any]], seed: int, cuts: list[int], wanted: set[int]
) -> None:
    roster = roster_of(*lines)
    places = np.array(sorted(wanted & set(range(len(roster.machines)))), np.int64)

    everything = blocks_of(roster, SECONDS, seed=seed)
    some = blocks_of(roster, SECONDS, seed=seed, cuts_us=cuts, readings_of=places)

    ours, theirs = logs_of(everything), logs_of(some)
    assert set(theirs) == {roster.machines[place].id for place in places.tolist()} & set(ours)
    assert all(same(log, ours[name]) for name, log in theirs.items())
    assert events_of(some) == events_of(everything)


@given(plans(), machine_entries(), seeds, st.integers(0, 2), st.booleans())
@settings(max_examples=25)
def test_one_more_machine_changes_nothing_outside_its_island(
    lines: list[dict[str, Any]], more: dict[str, Any], seed: int, place: int, alone: bool
) -> None:
    before = roster_of(*lines)
    added = {**more, "count": 1, "id": "one-more"}
    if alone:
        after = roster_of(line("a-line-more", added), *lines)
    else:
        at = place % len(lines)
        joined = {**lines[at], "count": None, "machines": [*lines[at]["machines"], added]}
        lines[at]["count"] = None
        before, after = roster_of(*lines), roster_of(*lines[:at], joined, *lines[at + 1 :])

    one, other = blocks_of(before, SECONDS, seed=seed), blocks_of(after, SECONDS, seed=seed)

    island = {machine.id: island for machine, island in zip(after.machines, after.island.tolist(), strict=True)}
    outside = [machine.id for machine in before.machines if island[machine.id] != island["one-more"]]
    ours, theirs = logs_of(one), logs_of(other)
    assert all(same(ours[name], theirs[name]) for name in outside if name in ours)
    assert {name: events_of(one).get(name) for name in outside} == {n: events_of(other).get(n) for n in outside}
    for name in ours.keys() - set(outside):  # in its island only what is decided may change, not what is drawn
        for column in ("seq", "scan_us", "event_us", "sensor"):
            assert np.array_equal(getattr(ours[name], column), getattr(theirs[name], column))


@given(plans(), seeds)
@settings(max_examples=10)
def test_another_seed_is_another_run(lines: list[dict[str, Any]], seed: int) -> None:
    roster = roster_of(line("always", {"kind": "rig"}), *lines)

    one, other = (logs_of(blocks_of(roster, 20, seed=of)) for of in (seed, seed ^ 1))

    assert not any(np.array_equal(log.scan_us, other[name].scan_us) for name, log in one.items())
    assert not np.array_equal(one["always-rig-001"].value, other["always-rig-001"].value)


# ---- through the encoder


def encoder(*, headers: tuple[tuple[str, bytes], ...] = ()) -> Encoder:
    streams = {"readings": StreamPlan("readings"), "events": StreamPlan("events", "json", "v1")}
    return Encoder(streams, {"readings": PARTITIONS, "events": PARTITIONS}, headers=headers)


def encoded(
    roster: Roster, blocks: list[Block], slices_us: list[int]
) -> tuple[Counter[tuple[str, int, object]], dict[str, dict[str, MachineDigest]]]:
    """Encode *blocks*, released in slices; give all records by stream and partition, and the digests."""
    to = encoder()
    records: Counter[tuple[str, int, object]] = Counter()
    for block in blocks:
        prepared = to.prepare(block)
        inside = [START_US + each for each in sorted(slices_us) if block.start_us < START_US + each < block.stop_us]
        for stop_us in [*inside, block.stop_us]:
            for batch in prepared.release(stop_us):
                records.update((batch.stream, batch.partition, record) for record in batch.records)
    return records, to.digests


@given(plans(), seeds, cuts_us, st.lists(st.integers(1, MAXIMUM_US), max_size=12))
@settings(max_examples=12)
def test_records_and_digests_do_not_depend_on_cuts_workers_or_slices(
    lines: list[dict[str, Any]], seed: int, cuts: list[int], slices: list[int]
) -> None:
    roster = roster_of(*lines)

    whole, digests = encoded(roster, blocks_of(roster, SECONDS, seed=seed), [])
    cut, of_cut = encoded(roster, blocks_of(roster, SECONDS, seed=seed, cuts_us=cuts), slices)
    shares = [encoded(roster, blocks_of(roster, SECONDS, seed=seed, islands=(i, 3)), slices) for i in range(3)]

    assert whole == cut == sum((records for records, _ in shares), Counter())
    assert digests == of_cut
    for stream, machines in digests.items():
        assert machines == {name: digest for _, of in shares for name, digest in of[stream].items()}
