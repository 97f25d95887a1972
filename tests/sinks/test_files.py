"""Files hold whole records only, and say in one line what keeps them from more."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fleet.data import Delivery, Record, RecordBatch
from fleet.encode.container import read_container
from fleet.encode.decode import UndecodableError
from fleet.encode.encoder import Encoder, Prepared, StreamPlan
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError, RunError
from fleet.sinks.files import FileSink, long_bytes
from fleet.sinks.open import SinkSetup, open_sink, sink_kind
from fleet.sinks.sink import Latency, SinkClosed
from fleet.sinks.stdout import StdoutSink
from tests.encode.blocks import block, cohort, columns

SCHEMA = schema_text("machine-sensor.v2.avsc")


def lines(count: int) -> RecordBatch:
    return RecordBatch("readings", "t", 0, [Record(b"k", b'{"n":%d}' % i, 0) for i in range(count)])


class Disk:
    """A disk with room for so many bytes; it takes what fits and then is full."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = os.write(descriptor, data[: self.room])
        self.room -= taken
        return taken


async def test_a_full_disk_keeps_the_whole_lines_and_fails_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = FileSink(path, schema=None, write=Disk(room=20).write)

    with pytest.raises(RunError, match=r"file: cannot go on writing '.*out\.jsonl': no space left on device"):
        await sink.send(lines(5))  # of eight bytes each
    with pytest.raises(RunError, match="no space left"):
        await sink.send(lines(3))
    await sink.close(timeout_s=1)

    assert path.read_text().splitlines() == ['{"n":0}', '{"n":1}']
    assert sink.delivery["readings"] == Delivery(acknowledged=2, failed=6)


async def test_a_container_on_a_full_disk_is_still_one(tmp_path: Path) -> None:
    path = tmp_path / "out.avro"
    encoder = Encoder({"readings": StreamPlan("t")}, {"t": 1})
    prepared = encoder.prepare(block(columns(cohort("pump", 5, ("vibration",)), ticks=100)))
    sink = FileSink(path, schema=SCHEMA, write=Disk(room=10_000).write)

    with pytest.raises(RunError, match="no space left on device"):
        await send_second_by_second(sink, prepared)
    await sink.close(timeout_s=1)

    assert len(list(read_container(path))) == sink.delivery["readings"].acknowledged > 100
    assert sink.delivery["readings"].failed == 5


async def send_second_by_second(sink: FileSink, prepared: Prepared) -> None:
    for second in range(1, 101):
        for batch in prepared.release(prepared.block.start_us + second * 1_000_000):
            await sink.send(batch)


async def test_a_device_that_is_full_says_so() -> None:
    sink = FileSink(Path("/dev/full"), schema=None)

    with pytest.raises(RunError, match="'/dev/full': no space left on device"):
        await sink.send(lines(5))
    await sink.close(timeout_s=1)

    assert sink.delivery["readings"] == Delivery(failed=5)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.symlink_to(path), "oo many levels of symbolic links"),
    ],
)
async def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, make: object, says: str) -> None:
    path = tmp_path / "out.jsonl"
    assert callable(make)
    make(path)

    with pytest.raises(RequestError, match=f"file: cannot write '{path}': .*{says}"):
        await open_sink(f"file:{path}", SinkSetup())


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file or directory"):
        await open_sink(f"file:{tmp_path / 'none' / 'out.avro'}", SinkSetup(schema=SCHEMA))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(RequestError, match="permission denied"):
        await open_sink(f"file:{tmp_path / 'out.jsonl'}", SinkSetup())


async def test_an_earlier_runs_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old\n" * 1000)
    sink = FileSink(path, schema=None)

    await sink.send(lines(1))
    await sink.close(timeout_s=1)

    assert path.read_text() == '{"n":0}\n'


async def test_the_same_records_make_the_same_file(tmp_path: Path) -> None:
    for name in ("a.avro", "b.avro"):
        sink = FileSink(tmp_path / name, schema=SCHEMA)
        work = block(columns(cohort("pump", 5, ("vibration",))))
        for batch in Encoder({"readings": StreamPlan("t")}, {"t": 1}).prepare(work).release(work.stop_us):
            await sink.send(batch)
        await sink.close(timeout_s=1)

    assert (tmp_path / "a.avro").read_bytes() == (tmp_path / "b.avro").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no container", b"Obj\x01\x02"])
def test_what_is_no_container_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.avro"
    path.write_bytes(content)

    with pytest.raises(UndecodableError, match="no whole Avro container"):
        list(read_container(path))


@pytest.mark.parametrize(
    ("number", "expected"), [(0, b"\0"), (63, b"\x7e"), (64, b"\x80\x01"), (8192, b"\x80\x80\x01")]
)
def test_a_long_is_written_as_avro_does(number: int, expected: bytes) -> None:
    assert long_bytes(number) == expected


# ------------------------------------------------------------ standard output


async def test_a_reader_that_has_gone_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = StdoutSink(writer)

    with pytest.raises(SinkClosed) as closed:
        await sink.send(lines(5))
    os.close(writer)

    assert closed.value.exit_code == 0
    assert sink.delivery["readings"].failed == 0


async def test_what_is_about_the_run_is_not_printed() -> None:
    reader, writer = os.pipe()
    sink = StdoutSink(writer)

    await sink.send(RecordBatch("runs", "t", 0, [Record(b"k", b"{}", 0)]))
    await sink.send(lines(1))
    os.close(writer)

    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b'{"n":0}\n'


# ------------------------------------------------------------ the table, latency


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp:x", "no sink 'ftp:x'; there is kafka://HOST:PORT"),
        ("file:out.csv", "file:PATH.avro, file:PATH.jsonl"),
        ("out.avro", r"did you mean 'file:out\.avro'\?"),
        ("file:.avro", "no sink"),
        ("stdout", "no sink 'stdout'"),
        ("", "no sink ''"),
        ("http://anna:hun@ter2@h:9092", r"no sink 'http://\*\*\*@h:9092'"),
    ],
)
def test_a_sink_that_is_not_in_the_table_is_refused_with_the_list(url: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        sink_kind(url)


def test_latencys_quantiles_are_right_to_a_tenth() -> None:
    latency = Latency()
    for took_us in range(1, 10_001):
        latency.add(took_us, 3)

    assert latency.records == 30_000
    assert latency.quantile_us(0.5) == pytest.approx(5_000, rel=0.1)
    assert latency.quantile_us(0.99) == pytest.approx(9_900, rel=0.1)
    assert latency.quantile_us(1) == latency.max_us == 10_000


def test_latencies_add() -> None:
    one, other = Latency(), Latency()
    one.add(10, 1)
    other.add(1000, 99)

    one.merge(other)

    assert (one.records, one.max_us) == (100, 1000)
    assert one.quantile_us(0.5) == pytest.approx(1000, rel=0.1)
    assert Latency().quantile_us(0.5) == 0
