"""Law 1 of a schema that evolves: the same records wherever blocks are cut, with any workers, at any speed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import Block, Record
from fleet.encode.digest import MachineDigest
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.run.evolution import changes_of
from fleet.scenario.roster import Roster
from tests.properties.plans import MAXIMUM_US, cuts_us, plans, seeds
from tests.sim.plants import START_US, blocks_of, roster_of

SECONDS = MAXIMUM_US / 1e6
PARTITIONS = 3

Logs = dict[tuple[int, bytes], list[Record]]

STEPS = st.lists(
    st.tuples(st.integers(0, int(SECONDS)), st.sampled_from([1, 2, 3]), st.sampled_from([None, "l0", "l1", "l2"])),
    min_size=1,
    max_size=4,
    unique_by=lambda step: step[0],
)


def encoded(roster: Roster, blocks: Sequence[Block], slices_us: Sequence[int]) -> tuple[Logs, dict[str, MachineDigest]]:
    """Encode *blocks*, released in slices; give each machine's records in log order by partition, and the digests."""
    plan = StreamPlan("readings", layout="v1", changes=changes_of(roster))
    encoder = Encoder({"readings": plan}, {"readings": PARTITIONS}, start_us=START_US)
    found: Logs = defaultdict(list)
    for block in blocks:
        prepared = encoder.prepare(block)
        inside = [START_US + each for each in sorted(slices_us) if block.start_us < START_US + each < block.stop_us]
        for stop_us in [*inside, block.stop_us]:
            for batch in prepared.release(stop_us):
                for record in batch.records:
                    found[batch.partition, record.key or b""].append(record)
    return found, encoder.digests["readings"]


@given(plans(), STEPS, seeds, cuts_us, st.lists(st.integers(1, MAXIMUM_US), max_size=12))
@settings(max_examples=12)
def test_versions_do_not_depend_on_cuts_workers_or_slices(
    lines: list[dict[str, Any]],
    steps: list[tuple[int, int, str | None]],
    seed: int,
    cuts: list[int],
    slices: list[int],
) -> None:
    names = [line["name"] for line in lines]
    evolution = [
        {"at": f"{at_s} s", "schema": version, **({"line": line} if line in names else {})}
        for at_s, version, line in steps
    ]
    roster = roster_of(*lines, evolution=evolution)

    whole, digests = encoded(roster, blocks_of(roster, SECONDS, seed=seed), [])
    cut, of_cut = encoded(roster, blocks_of(roster, SECONDS, seed=seed, cuts_us=cuts), slices)
    shares = [encoded(roster, blocks_of(roster, SECONDS, seed=seed, islands=(i, 3)), slices) for i in range(3)]

    assert whole == cut == {place: log for logs, _ in shares for place, log in logs.items()}
    assert digests == of_cut == {name: digest for _, of in shares for name, digest in of.items()}
