"""What wrong clients sent is set aside by its header and held against the labels, label by label and exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.encode.injected import HEADER
from fleet.run.clock import RealClock
from fleet.run.execute import execute
from fleet.run.plan import RunRequest, make_plan
from fleet.scenario.load import load
from fleet.scenario.model import Scenario
from fleet.sinks.connection import Connection
from fleet.verify.along import ReadAlong
from fleet.verify.tail import TailOptions, tail
from fleet.verify.verdict import Verdict
from tests.run.runs import carried_out, planned, read_back
from tests.verify.logs import READINGS, Log, Past, Stored, feed_bytes

SECONDS = 40
SCENARIO = """\
fleet: 1
name: wrong-clients
seed: 7
start: 2026-03-02T06:00:00Z
lines:
  - {name: filling, machines: [{kind: pump, count: 2}]}
incidents:
  - {id: cut, at: 10 s, machine: filling-pump-001, fault: truncated_body, rate: 2/s, for: 10 s}
  - {id: void, at: 10 s, machine: filling-pump-002, fault: tombstone, rate: 1/s, for: 10 s}
  - {id: keyless, at: 20 s, machine: filling-pump-002, fault: null_key, rate: 1/s, for: 10 s}
  - {id: large, at: 15 s, machine: filling-pump-001, fault: oversized_record, rate: 30/min, for: 10 s}
"""
SENT, TOO_LARGE = 45, 5


@cache
def scenario(folder: Path) -> Scenario:
    file = folder / "wrong-clients.yaml"
    file.write_text(SCENARIO)
    return load(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wrong")


@cache
def ran(folder: Path) -> Past:
    result = carried_out(planned(of=scenario(folder), length_s=SECONDS))
    return read_back(result.targets[0].sink.batches)  # type: ignore[attr-defined]


def is_injected(record: Stored) -> bool:
    return any(name == HEADER for name, _ in record.headers)


def judged(past: Past, folder: Path) -> Verdict:
    return past._verdict(feed_bytes, scenario(folder), None)


def changed(folder: Path, change: Callable[[Log, int], None]) -> Past:
    """Change the log of the readings at its last record that was injected; offsets are counted anew."""
    past = ran(folder).copy()
    log = past.logs[READINGS, 0]
    change(log, max(at for at, record in enumerate(log) if is_injected(record)))
    past.logs[READINGS, 0] = [record._replace(offset=at) for at, record in enumerate(log)]
    return past


def test_what_labels_name_is_set_aside_and_all_else_is_proven(folder: Path) -> None:
    past = ran(folder)

    verdict = judged(past, folder)

    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"
    assert sum(map(is_injected, past.logs[READINGS, 0])) == SENT
    assert f"{SENT} records of wrong clients are set aside, as labels name them" in verdict.notes


def drop(log: Log, at: int) -> None:
    del log[at]


def repeat(log: Log, at: int) -> None:
    log.insert(at, log[at])


def rename(log: Log, at: int) -> None:
    log[at] = log[at]._replace(headers=((HEADER, b"nobody"),))


def strip(log: Log, at: int) -> None:
    log[at] = log[at]._replace(headers=())


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (drop, {"label": 1}),
        (repeat, {"extra": 1}),
        (rename, {"extra": 1, "label": 1}),
    ],
)
def test_one_record_more_or_fewer_is_a_finding(
    folder: Path, change: Callable[[Log, int], None], counts: dict[str, int]
) -> None:
    verdict = judged(changed(folder, change), folder)

    assert not verdict.proven
    assert list(verdict.counts.values()) == list(counts.values()), verdict.lines()


def test_a_broken_record_without_its_header_is_nobodys_and_found(folder: Path) -> None:
    verdict = judged(changed(folder, strip), folder)

    assert not verdict.proven
    assert sum(verdict.counts.values()) >= 2, verdict.lines()


async def test_the_embedded_broker_takes_all_but_the_oversized_and_the_proof_reads_along(folder: Path) -> None:
    request = RunRequest(scenario=scenario(folder), source="wrong", speed=math.inf, length_us=SECONDS * 1_000_000)
    clock, along, shown = RealClock(), ReadAlong(), list[str]()
    plan = make_plan(request, wall_us=clock.wall_us())

    with EmbeddedBroker() as broker:
        result = await execute(plan, clock=clock, broker=broker, proof=along, watch=lambda _: None)
        connection = result.targets[0].connection
        assert isinstance(connection, Connection)
        await tail(connection, READINGS, options=TailOptions(since="run"), write=shown.append)

    assert result.verdict is not None
    assert result.verdict.proven, result.verdict.lines()
    assert result.exit_code == 0
    account = result.targets[0].account.of("injected")
    assert (account.injected, account.acknowledged, account.refused) == (SENT, SENT - TOO_LARGE, TOO_LARGE)
    assert sum("undecodable" in line for line in shown) == 30
    assert len(shown) == result.targets[0].account.of("readings").acknowledged + SENT - TOO_LARGE
