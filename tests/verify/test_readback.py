"""Runs on a real protocol and in files: read along, read back, looked at; whatever broker and disk do to them."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.errors import RequestError
from fleet.run.clock import RealClock
from fleet.run.execute import Result, execute
from fleet.run.plan import RunRequest, make_plan
from fleet.sinks.connection import Connection
from fleet.verify.along import BEHIND_MAX, ReadAlong
from fleet.verify.check import verify
from fleet.verify.findings import Finding
from fleet.verify.runs import Run, assemble, find, open_beside, runs_of
from fleet.verify.tail import READINGS, TailOptions, tail
from tests.verify.logs import START_US, quickstart

MINUTE_US = 60_000_000
TOPICS = {"factory.readings": 12, "factory.events": 12, "factory.runs": 1}


async def run_to(target: str, *, length_us: int = MINUTE_US, seed: int = 7, record_time: str = "scan") -> Result:
    request = RunRequest(
        scenario=quickstart(), source="quickstart", targets=(target,), speed=math.inf, start_us=START_US,
        length_us=length_us, seed=seed, record_time=record_time,
    )  # fmt: skip
    clock = RealClock()
    plan = make_plan(request, wall_us=clock.wall_us())
    return await execute(plan, clock=clock, broker=None, proof=None, watch=lambda _: None)


@pytest.fixture
def broker() -> Iterator[Connection]:
    with EmbeddedBroker() as embedded:
        yield Connection(embedded.start(TOPICS))


# ---------------------------------------------------------------- along


async def test_a_run_on_the_embedded_broker_is_proven_while_it_goes_on() -> None:
    request = RunRequest(
        scenario=quickstart(), source="quickstart", speed=math.inf, start_us=START_US, length_us=MINUTE_US
    )
    clock, along = RealClock(), ReadAlong()
    plan = make_plan(request, wall_us=clock.wall_us())

    with EmbeddedBroker() as embedded:
        result = await execute(plan, clock=clock, broker=embedded, proof=along, watch=lambda _: None)

    assert result.verdict is not None
    assert result.verdict.proven, result.verdict.lines()
    assert result.verdict.as_json()["digests"] == "equal"
    assert result.exit_code == 0


async def test_reading_along_that_is_given_no_time_proves_nothing_and_blames_nobody(broker: Connection) -> None:
    along = ReadAlong()
    await run_to(f"kafka://{broker.bootstrap}")
    run = (await runs_of(broker))[0]
    ended = next(iter(run.shards.values())).ended
    assert ended is not None
    await along.start(broker, TOPICS)

    verdict = await along.finish(ended, timeout_s=0.0)

    assert (verdict.proven, verdict.counts) == (False, {})
    assert any("cannot be proven" in note for note in verdict.notes)


async def test_a_run_waits_for_a_reader_that_is_too_far_behind(broker: Connection) -> None:
    along = ReadAlong()
    await along.start(broker, TOPICS)
    await along.room({("factory.readings", 0): BEHIND_MAX})  # it may be so far behind
    waiting = asyncio.create_task(along.room({("factory.runs", 0): BEHIND_MAX + 2}))
    await asyncio.sleep(0)
    waited = not waiting.done()

    await run_to(f"kafka://{broker.bootstrap}")
    async with asyncio.timeout(20):
        await waiting

    assert waited
    assert along.records >= 2
    await along.close()


async def test_a_run_that_is_spread_over_many_partitions_may_be_further_ahead(broker: Connection) -> None:
    along = ReadAlong()
    await along.start(broker, TOPICS)

    async with asyncio.timeout(5):
        await along.room({("factory.readings", p): BEHIND_MAX for p in range(12)})

    await along.close()


async def test_a_run_does_not_wait_for_a_reader_that_has_stopped(broker: Connection) -> None:
    along = ReadAlong()
    await along.start(broker, TOPICS)
    waiting = asyncio.create_task(along.room({("factory.readings", 0): BEHIND_MAX + 1000}))
    await asyncio.sleep(0)

    await along.close()

    async with asyncio.timeout(5):
        await waiting


# ---------------------------------------------------------------- back


async def test_the_last_run_is_read_back_and_equals_its_scenario(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}")
    seen: list[tuple[int, int]] = []

    verdict = await verify(broker, scenario=quickstart(), progress=lambda done, total: seen.append((done, total)))

    assert verdict.proven, verdict.lines()
    assert (verdict.digests, verdict.scenario) == ("equal", "equal")
    done, total = seen[-1]
    assert done == total == sum(count.records for count in verdict.streams.values())


async def test_a_run_with_the_wall_clocks_stamps_equals_its_scenario_but_for_them(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}", record_time="wall", length_us=MINUTE_US // 6)

    verdict = await verify(broker, scenario=quickstart())

    assert verdict.proven, verdict.lines()
    assert (verdict.digests, verdict.scenario) == ("equal", "equal")


async def test_two_runs_on_one_topic_are_told_apart(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}")
    await run_to(f"kafka://{broker.bootstrap}", seed=8, length_us=MINUTE_US // 2)
    first, second = await runs_of(broker)

    verdicts = [await verify(broker, run=run.id, scenario=quickstart()) for run in (first, second)]

    assert [verdict.proven for verdict in verdicts] == [True, True], [verdict.lines() for verdict in verdicts]
    assert verdicts[0].streams["readings"].records > verdicts[1].streams["readings"].records


async def test_a_run_that_is_not_there_is_a_wrong_request(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}", length_us=MINUTE_US // 6)

    with pytest.raises(RequestError, match="no run 'nobody'; the last one is"):
        await verify(broker, run="nobody")


async def test_a_topic_that_is_not_there_is_a_wrong_request(broker: Connection) -> None:
    with pytest.raises(RequestError, match=r"factory\.nothing"):
        await verify(broker, topic_runs="factory.nothing")


def test_no_run_at_all_is_a_wrong_request() -> None:
    with pytest.raises(RequestError, match="no run is recorded"):
        find([], None, where="factory.runs")


# ---------------------------------------------------------------- files


@pytest.fixture(params=["avro", "jsonl", "parquet"])
async def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"out.{request.param}"
    await run_to(f"file:{path}")
    return path


async def test_a_file_and_those_beside_it_are_proven(file: Path) -> None:
    verdict = await verify(file, scenario=quickstart())

    assert verdict.proven, verdict.lines()
    assert (verdict.digests, verdict.scenario) == ("equal", "equal")
    assert set(verdict.streams) == {"readings", "events", "labels"}


async def test_a_file_that_was_cut_off_is_not_proven(file: Path) -> None:
    with file.open("rb+") as whole:
        whole.truncate(whole.seek(0, 2) - 40)

    verdict = await verify(file)

    assert {Finding.UNDECODABLE} <= verdict.counts.keys()
    assert not verdict.proven


async def test_a_line_that_is_missing_beside_a_file_is_found(file: Path) -> None:
    side = file.with_name(f"{file.name}.events.jsonl")
    side.write_text("".join(side.read_text().splitlines(keepends=True)[1:]))

    verdict = await verify(file)

    assert verdict.counts[Finding.LOST] == 1


async def test_a_file_without_the_runs_beside_it_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"alone\.avro\.runs\.jsonl"):
        await verify(tmp_path / "alone.avro")


# ---------------------------------------------------------------- looking on


async def test_tail_shows_so_many_readings_of_the_machines_asked_for(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}", length_us=MINUTE_US // 6)
    lines: list[str] = []
    options = TailOptions(machine="filling-*", sensor="vib*", since="beginning", count=5, form="json")

    shown = await tail(broker, READINGS, options=options, write=lines.append)

    fields = [json.loads(line) for line in lines]
    assert shown == len(fields) == 5
    assert all(row["machine"].startswith("filling-") and row["sensor"].startswith("vib") for row in fields)


async def test_tail_of_a_run_ends_with_the_run(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}", length_us=MINUTE_US // 6)
    run = (await runs_of(broker))[-1]
    lines: list[str] = []

    shown = await tail(broker, READINGS, options=TailOptions(since="run"), write=lines.append)

    assert shown == len(lines) == run.account["readings"]["acknowledged"]


async def test_tail_goes_on_with_what_comes(broker: Connection) -> None:
    lines: list[str] = []
    looking = asyncio.create_task(
        tail(broker, "factory.events", options=TailOptions(count=3, form="text"), write=lines.append)
    )
    await asyncio.sleep(1.0)  # it has to be there before the run: what was before is not shown
    await run_to(f"kafka://{broker.bootstrap}", length_us=MINUTE_US // 6)

    async with asyncio.timeout(20):
        shown = await looking

    assert shown == 3
    assert all(line.endswith(": execute\n") for line in lines)


async def test_a_closed_pipe_ends_tail_quietly(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}", length_us=MINUTE_US // 6)

    def write(_: str) -> None:
        raise BrokenPipeError

    assert await tail(broker, READINGS, options=TailOptions(since="beginning"), write=write) == 0


async def test_tail_of_a_topic_a_run_did_not_write_is_a_wrong_request(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}", length_us=MINUTE_US // 6)

    with pytest.raises(RequestError, match="did not write there"):
        await tail(broker, "factory.runs", options=TailOptions(since="run"), write=print)


def test_a_run_that_is_open_on_the_same_topics_is_a_neighbour_and_an_ended_or_old_one_is_not() -> None:
    def begun(run: str, at: int, *, ended: bool = False) -> Run:
        started = {"run": run, "type": "STARTED", "timestamp": at, "shard": "1/1", "entry": "", "topics": [topic]}
        return assemble([started, *([{**started, "type": "ENDED"}] if ended else [])])[0]

    topic = {
        "topic": "factory.readings", "streams": ["readings"], "format": "avro", "layout": "v2", "partitions": 1,
        "start_offsets": [], "end_offsets": [], "digests": [], "settings": {},
    }  # fmt: skip
    day_us = 24 * 3600 * 1_000_000
    runs = [begun("old", 0), begun("done", day_us, ended=True), begun("open", day_us), begun("own", day_us)]

    beside = open_beside(runs, ["factory.readings"], own="own", now_us=day_us + 1)

    assert beside == ["open"]
    assert not open_beside(runs, ["elsewhere"], own="own", now_us=day_us + 1)


async def test_a_run_of_another_scenario_is_told_in_one_line(broker: Connection) -> None:
    await run_to(f"kafka://{broker.bootstrap}")

    with pytest.raises(RequestError) as refused:
        await verify(
            broker, scenario=quickstart().model_copy(update={"name": "thingum", "lines": quickstart().lines[:1]})
        )

    assert "is of 'quickstart' and not of 'thingum'; name the scenario that ran" in str(refused.value)
    assert "\n" not in str(refused.value)
