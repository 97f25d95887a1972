"""Sent again: the same records in the same partitions, with the same gaps between them, and every one accounted for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fleet.data import Batch, RecordBatch
from fleet.errors import RequestError
from fleet.replay.pieces import Piece
from fleet.replay.plan import ReplayRequest, make_plan
from fleet.replay.player import WAIT_MAX_S, WINDOW_S, Player
from fleet.replay.recordings import RecordingSource
from fleet.sinks.memory import NullSink
from fleet.sinks.recording import RecordingMeta, RecordingWriter
from tests.cli.commands import fleet
from tests.replay.recordings import by_machine, by_place, plain, recorded, remembered, replayed
from tests.run.sinks import FakeClock

START_MS = 1_772_431_200_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "run.avro"
    recorded(path, length_s=60)
    return path


class Timed:
    """A sink that notes when it was given what, by a clock that passes only while somebody sleeps."""

    def __init__(self, clock: FakeClock) -> None:
        self._sink, self._clock = NullSink(), clock
        self.delivery, self.latency, self.notices = self._sink.delivery, self._sink.latency, self._sink.notices
        self.given: list[tuple[float, Piece]] = []

    async def send(self, batch: Batch) -> None:
        await self._sink.send(batch)

    async def close(self, *, timeout_s: float) -> None:
        await self._sink.close(timeout_s=timeout_s)

    def pack(self, piece: Piece, _: int) -> Sequence[Batch]:
        self.given.append((self._clock.now_s(), piece))
        return [RecordBatch(piece.stream, piece.topic, piece.partition, range(len(piece.due_us)))]  # type: ignore[arg-type]


class Reading(FakeClock):
    """A clock on which reading a block takes no time: a thread is waited for before time passes."""

    async def sleep(self, span_s: float, until: asyncio.Event) -> None:
        threads = [task for task in asyncio.all_tasks() if "to_thread" in repr(task.get_coro())]
        if threads:
            await asyncio.wait(threads)
        await super().sleep(span_s, until)


def played(path: Path, speed: float, *, stop_after: int | None = None, **request: object) -> Timed:
    clock = Reading()
    sink, stop = Timed(clock), asyncio.Event()
    with RecordingSource(path) as source:
        asked = ReplayRequest(str(path), "null:", speed=speed, **request)  # type: ignore[arg-type]
        player = Player(make_plan(asked, source, wall_us=0), sink, sink.pack, clock, stop)  # type: ignore[arg-type]
        clock.watchers.append(lambda: stop.set() if stop_after and player.played.records > stop_after else None)
        asyncio.run(player.run())
        assert stop_after or player.played.records == source.records
    return sink


def test_every_machine_has_the_same_log_again(tmp_path: Path) -> None:
    sent = recorded(tmp_path / "run.avro", "all-kinds")

    assert by_machine(remembered(replayed(tmp_path / "run.avro"))) == sent


def test_what_wrong_clients_sent_is_sent_again_and_the_proof_holds_it_against_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "run.avro"
    sent = recorded(path, "poison-records", length_s=400)

    ended = fleet("replay", str(path), "--speed", "max", "--exit")

    assert by_machine(remembered(replayed(path))) == sent
    assert ended.code == 0, ended.err
    assert "100 records of wrong clients are set aside, as labels name them" in ended.err
    assert ended.lines[-2] == "proven"


@pytest.mark.parametrize("speed", [0.1, 1, 100])
def test_every_record_is_sent_when_it_is_due_and_not_before(recording: Path, speed: float) -> None:
    sink = played(recording, speed)

    first_us = min(int(piece.due_us[0]) for _, piece in sink.given)
    begun_s = sink.given[0][0]
    for now_s, piece in sink.given:
        due_s = (piece.due_us - first_us) / 1e6 / speed
        assert (due_s <= now_s - begun_s + 1e-6).all()
        assert (now_s - begun_s - due_s).max() <= WINDOW_S + 1e-3  # the fake clock wakes nobody late


def test_a_partition_keeps_its_order_at_any_speed(recording: Path) -> None:
    for speed in (5, math.inf):
        offsets: dict[tuple[str, int], list[int]] = {}
        for _, piece in played(recording, speed).given:
            offsets.setdefault((piece.topic, piece.partition), []).extend(piece.columns.offset.tolist())
        assert all(later == sooner + 1 for log in offsets.values() for sooner, later in pairwise(log))


def test_a_long_silence_is_slept_through_and_kept(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "gap.avro", RecordingMeta())
    for stamp_ms in (START_MS, START_MS + 3_600_000):
        writer.add(RecordBatch("readings", "t", 0, [plain(b"m", b"v", stamp_ms)]))
    writer.end()

    sink = played(tmp_path / "gap.avro", 1)

    assert sink.given[1][0] - sink.given[0][0] == pytest.approx(3600, abs=WAIT_MAX_S)


def test_records_that_waited_in_a_gateway_wait_again(tmp_path: Path) -> None:
    """What was held back by an outage has old stamps; the gap before it and its haste are in the due times."""
    writer = RecordingWriter(tmp_path / "burst.avro", RecordingMeta())
    old = [plain(b"m", b"v", START_MS + 1000 * k) for k in range(5)]
    burst_us = START_MS * 1000 + np.array([60_000_000, 60_020_000, 60_040_000, 60_060_000])
    writer.add(RecordBatch("readings", "t", 0, old[:1], START_MS * 1000))
    writer.add(RecordBatch("readings", "t", 1, [plain(b"n", b"v", START_MS + 60_000)], (START_MS + 60_000) * 1000))
    writer.add(RecordBatch("readings", "t", 0, old[1:], int(burst_us[-1]), burst_us))
    writer.end()

    sink = played(tmp_path / "burst.avro", 1)

    times = [now_s - sink.given[0][0] for now_s, piece in sink.given if piece.partition == 0 for _ in piece.due_us]
    assert times == pytest.approx([0, 60, 60.02, 60.04, 60.06], abs=WINDOW_S + 1e-3)


def test_rebase_shifts_all_stamps_alike_and_no_payload(recording: Path) -> None:
    as_it_was, rebased = (by_place(remembered(replayed(recording, rebase=rebase))) for rebase in (False, True))
    as_it_was.pop(("factory.runs", 0))
    rebased.pop(("factory.runs", 0))

    shifts = {
        other[2] - one[2]
        for place in as_it_was
        for one, other in zip(as_it_was[place], rebased[place], strict=True)
        if (one[0], one[1], one[3]) == (other[0], other[1], other[3])
    }

    assert len(shifts) == 1
    first = min(record[2] for log in rebased.values() for record in log)
    assert first == FakeClock().wall_us() // 1000


def test_a_loop_begins_again_with_the_same_gaps(recording: Path) -> None:
    with RecordingSource(recording) as source:
        records, length_s = source.records, (source.last_us - source.first_us) / 1e6

    sink = played(recording, 1, stop_after=2 * records, loop=True)

    places = [(piece.topic, piece.partition) for _, piece in sink.given]
    again = [now_s for now_s, piece in sink.given if int(piece.columns.offset[0]) == 0 and piece.stream == "readings"]
    rounds = {place: [now_s for now_s, piece in sink.given if (piece.topic, piece.partition) == place
                      and int(piece.columns.offset[0]) == 0] for place in places}  # fmt: skip
    assert len(again) >= 4
    assert all(b - a == pytest.approx(length_s, abs=0.1) for of in rounds.values() for a, b in pairwise(of))


def test_readings_may_go_to_another_topic(recording: Path) -> None:
    sent = by_place(remembered(replayed(recording, topic="other")))

    assert {topic for topic, _ in sent} == {"other", "factory.events", "factory.labels", "factory.runs"}


def test_a_topic_that_has_something_else_is_refused(recording: Path) -> None:
    with pytest.raises(RequestError, match=r"--topic: 'factory\.events' is that of the events"):
        replayed(recording, topic="factory.events")


@pytest.mark.parametrize(("target", "read"), [("file:{}/out.avro", "out.avro"), ("file:{}/out.jsonl", "out.jsonl")])
def test_a_replay_to_a_file_writes_what_the_run_would_have(
    recording: Path, tmp_path: Path, target: str, read: str
) -> None:
    from tests.run.runs import carried_out, planned

    carried_out(planned(target.format(tmp_path), length_s=60, format="avro" if "avro" in target else "json"))
    wanted = _fields(tmp_path / read)

    result = replayed(recording, target.format(tmp_path))

    assert result.exit_code == 0
    assert sorted(_fields(tmp_path / read)) == sorted(wanted)


def _fields(path: Path) -> list[str]:
    from fleet.encode.container import read_container
    from fleet.encode.decode import Decoder

    if path.suffix == ".avro":
        return [repr(fields) for fields in read_container(path)]
    decoder = Decoder()
    return [repr(decoder.decode(line)) for line in path.read_bytes().splitlines()]


def test_the_account_of_a_replay_balances_and_a_cut_off_recording_fails_it(recording: Path, tmp_path: Path) -> None:
    whole = replayed(recording)
    data = recording.read_bytes()
    (tmp_path / "cut.avro").write_bytes(data[: len(data) - 40])

    cut = replayed(tmp_path / "cut.avro")

    assert (whole.exit_code, cut.exit_code) == (0, 1)
    for result in (whole, cut):
        assert result.account.balanced
        assert result.account.of("readings").acknowledged == result.account.of("readings").scheduled > 0


def test_the_command_that_repeats_it_says_all_that_matters(recording: Path) -> None:
    from fleet.replay.report import summary

    result = replayed(recording, rebase=True, topic="other")

    assert summary(result)[-1] == f"again: fleet replay {recording} --speed max --to memory: --rebase now --topic other"
