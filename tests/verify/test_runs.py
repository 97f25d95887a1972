"""What runs say of themselves is put together, shard by shard."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.encode.decode import known_schemas
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.errors import RequestError
from fleet.verify.runs import assemble, decoded, find
from tests.verify.logs import EVENTS, PARTITIONS, READINGS, START_US, past, quickstart


def shard(name: str, records: list[dict[str, Any]], *, digest: str, account: int) -> list[dict[str, Any]]:
    started, ended = records[0], records[-1]
    topics = [{**row, "digests": [digest] * row["partitions"]} for row in ended["topics"]]
    return [
        {**started, "shard": name},
        {**ended, "shard": name, "topics": topics, "account": {"readings": {"acknowledged": account}}},
    ]


def test_the_shards_of_a_run_add_up() -> None:
    records = past().records
    half = [
        *shard("1/2", records, digest="ffffffffffffffff", account=3),
        *shard("2/2", records, digest="0000000000000003", account=4),
    ]

    run = assemble(half)[0]

    assert run.ended
    assert run.account["readings"]["acknowledged"] == 7
    assert run.topics[READINGS].digests == (2, 2, 2)


def test_a_shard_that_never_spoke_is_missing() -> None:
    run = assemble(shard("1/2", past().records, digest="0" * 16, account=1))[0]

    assert not run.ended
    assert run.missing_shards == 1


def test_two_shards_make_the_run_that_one_would() -> None:
    run = past()
    started, ended = run.records
    run.records = [
        {**started, "shard": "1/2"},
        {**started, "shard": "2/2"},
        {**ended, "shard": "1/2"},
        {**ended, "shard": "2/2", "account": {}, "topics": [_silent(row) for row in ended["topics"]]},
    ]

    verdict = run.verdict(quickstart())

    assert verdict.proven, verdict.lines()
    assert (verdict.digests, verdict.scenario) == ("equal", "equal")


def _silent(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "digests": ["0" * 16] * row["partitions"]}


def test_the_last_run_is_the_one_that_began_last() -> None:
    runs = assemble([*past(run="one").records, *past(run="two").records])

    assert find(runs, None, where="there").id == "two"
    assert find(runs, "last", where="there").id == "two"
    assert find(runs, "one", where="there").id == "one"
    with pytest.raises(RequestError, match="there: no run 'three'; the last one is two"):
        find(runs, "three", where="there")


def test_records_of_runs_survive_their_encoding_whatever_else_is_in_the_topic() -> None:
    records = past(skips=[(START_US + 12_000_000, START_US + 15_000_000)]).records
    streams = {
        "readings": StreamPlan(READINGS),
        "events": StreamPlan(EVENTS, "avro", "v1"),
        "runs": StreamPlan("r", "json", "v1"),
    }
    encoder = Encoder(streams, {**PARTITIONS, "r": 1})
    values = [encoder.encode_run(record).value for record in records]

    run = assemble(decoded([b"noise", values[0], None, b"{}", *values[1:]]))[0]

    only = run.shards["1/1"]
    assert run.ended
    assert only.skips == [(START_US + 12_000_000, START_US + 15_000_000)]
    assert only.place == (0, 1)
    assert set(run.first["schema_ids"].values()) == set(known_schemas())
