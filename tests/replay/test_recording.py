"""The file: any reader of Avro opens it, nothing is changed in it, and what is torn is found."""

from __future__ import annotations

from pathlib import Path

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.data import Record, RecordBatch
from fleet.errors import RequestError
from fleet.replay.pieces import pieces
from fleet.replay.recordings import RecordingSource
from fleet.sinks.recorded import Recording
from fleet.sinks.recording import RecordingMeta, RecordingWriter, avro_records, kafka_records, kafka_records_again
from tests.replay.recordings import by_machine, plain, recorded, records_of, remembered, replayed

BYTES = st.none() | st.binary(max_size=200)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=9)), max_size=3).map(tuple)
RECORDS = st.lists(st.builds(plain, BYTES, BYTES, st.integers(0, 1 << 42), HEADERS), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "run.avro"
    recorded(path, length_s=120)
    return path


@given(RECORDS)
def test_records_of_any_shape_are_avro_and_back(records: list[Record]) -> None:
    data = kafka_records(records)

    assert kafka_records_again(avro_records(data), len(records)) == data


@pytest.mark.parametrize("codec", ["null", "deflate"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS)
def test_fastavro_reads_what_was_written(tmp_path: Path, codec: str, records: list[Record]) -> None:
    writer = RecordingWriter(tmp_path / "any.avro", RecordingMeta(), codec=codec)
    writer.add(RecordBatch("readings", "t", 3, records))
    writer.end()

    with (tmp_path / "any.avro").open("rb") as file:
        part, end = list(fastavro.reader(file))

    assert (part["topic"], part["partition"], part["count"], end["records"]) == ("t", 3, len(records), len(records))
    for number, (record, written) in enumerate(zip(part["records"], records, strict=True)):
        assert record["offset_delta"] == number
        assert part["timestamp"] + record["timestamp_delta"] == written.timestamp_ms
        assert (record["key"], record["value"]) == (written.key or b"", written.value or b"")
        assert record["attributes"] == (written.key is None) + 2 * (written.value is None)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS)
def test_records_of_any_shape_are_replayed_as_they_were(tmp_path: Path, records: list[Record]) -> None:
    writer = RecordingWriter(tmp_path / "any.avro", RecordingMeta(), codec="zstandard")
    writer.add(RecordBatch("records", "t", 0, records))
    writer.end()

    sent = [record for batch in remembered(replayed(tmp_path / "any.avro")) for record in records_of(batch)]

    assert sent == [tuple(record) for record in records]


def test_a_run_is_recorded_as_it_is_sent(tmp_path: Path) -> None:
    sent = recorded(tmp_path / "run.avro", "thingum", run_header=True)

    result = replayed(tmp_path / "run.avro")

    assert by_machine(remembered(result)) == sent
    assert all(log[0][3] for name, log in sent.items() if name.startswith("readings"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0))
def test_of_a_recording_cut_anywhere_all_that_is_whole_is_read(recording: Path, tmp_path: Path, share: float) -> None:
    data = recording.read_bytes()
    (tmp_path / "cut.avro").write_bytes(data[: int(len(data) * share * 0.999)])
    whole = _records(recording)

    if not _records_or_none(tmp_path / "cut.avro"):
        with pytest.raises(RequestError, match=r"cut off|no record|no Avro container"):
            RecordingSource(tmp_path / "cut.avro")
        return
    with RecordingSource(tmp_path / "cut.avro") as source:
        records, missing = source.records, source.missing

    assert 0 < records <= sum(map(len, whole.values()))
    assert "whole records are there" in missing[0]
    assert all(log == whole[place][: len(log)] for place, log in _records(tmp_path / "cut.avro").items())


def _records_or_none(path: Path) -> dict[tuple[str, int], list[bytes | None]]:
    try:
        return _records(path)
    except RequestError:
        return {}


def _records(path: Path) -> dict[tuple[str, int], list[bytes | None]]:
    found: dict[tuple[str, int], list[bytes | None]] = {}
    with Recording(path) as opened:
        for block in opened.contents().blocks:
            for piece in pieces(opened.slices(block)):
                values = [piece.columns.value(row) for row in range(len(piece.columns))]
                found.setdefault((piece.topic, piece.partition), []).extend(values)
    return found


@pytest.mark.parametrize("place", [0.3, 0.5, 0.62, 0.77, 0.9])
def test_a_changed_byte_is_found(recording: Path, tmp_path: Path, place: float) -> None:
    data = bytearray(recording.read_bytes())
    data[int(len(data) * place)] ^= 0xFF
    (tmp_path / "changed.avro").write_bytes(data)

    with Recording(tmp_path / "changed.avro") as opened:
        found = opened.contents()

    assert not found.whole
    assert found.torn.startswith("torn at byte")


def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.avro").write_text("hello")
    with pytest.raises(RequestError, match=r"text\.avro: must be a recording that 'fleet record' made, is no Avro"):
        RecordingSource(tmp_path / "text.avro")

    with (tmp_path / "other.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "A", "fields": []}, [{}])
    with pytest.raises(RequestError, match=r"other\.avro: .* is another Avro container"):
        RecordingSource(tmp_path / "other.avro")

    with pytest.raises(RequestError, match=r"nix\.avro: cannot be read: no such file"):
        RecordingSource(tmp_path / "nix.avro")
