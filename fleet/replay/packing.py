"""Pieces to what a sink takes: packed batches for Kafka and recordings, records one by one for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from fleet.data import INJECTED, Batch, Record, RecordBatch, TopicSeen
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.injected import HEADER, described
from fleet.encode.json import text_of
from fleet.encode.reframe import reframed
from fleet.encode.repack import repacked
from fleet.errors import RequestError, RunError
from fleet.replay.pieces import Piece
from fleet.replay.plan import ReplayPlan
from fleet.scenario.proto import is_proto
from fleet.sinks.settings import batch_bytes

FRAME_BYTES = 5
Value = Callable[[bytes | None], bytes]


def packer(plan: ReplayPlan, topics: Mapping[str, TopicSeen]) -> Callable[[Piece, int], list[Batch]]:
    """Give what makes the batches of *plan*'s sink, whose topics were found as *topics*."""
    if plan.kind.packs:
        limit = batch_bytes(plan.request.producer.batch_bytes, list(topics.values()))

        def packed(piece: Piece, shift_ms: int) -> list[Batch]:
            if piece.stream == INJECTED:  # a wrong client's again, whose refusals are not ours
                return [_batch(plan, piece, _records(piece, shift_ms, _as_it_is))]
            waited = not np.array_equal(piece.due_us // 1000, piece.columns.stamp_ms)
            columns = reframed(piece.columns, plan.ids)
            return [*repacked(
                columns, stream=piece.stream, topic=plan.names[piece.topic], partition=piece.partition,
                batch_bytes=limit, shift_ms=shift_ms, dues_us=piece.due_us + shift_ms * 1000 if waited else None,
            )]  # fmt: skip

        return packed
    if not plan.kind.encodes:
        return _counted
    values = _values(plan)

    def one_by_one(piece: Piece, shift_ms: int) -> list[Batch]:
        if piece.stream == INJECTED and not plan.kind.keeps_stamps:
            records = [
                described(record, dict(record.headers).get(HEADER, b"").decode(), piece.topic, piece.partition)
                for record in _records(piece, shift_ms, _as_it_is)
            ]
        else:
            records = _records(piece, shift_ms, values.get(piece.stream, _as_it_is))
        return [_batch(plan, piece, records)]

    return one_by_one


def _records(piece: Piece, shift_ms: int, value: Value) -> list[Record]:
    """Give the records of *piece*, their values changed by *value*."""
    columns, stamps = piece.columns, (piece.columns.stamp_ms + shift_ms).tolist()
    return [
        Record(
            columns.key(row),
            value(columns.value(row)),
            stamps[row],
            tuple(columns.header_pairs(row)),  # type: ignore[arg-type]
        )
        for row in range(len(columns))
    ]


def _batch(plan: ReplayPlan, piece: Piece, records: Sequence[Record]) -> RecordBatch:
    return RecordBatch(piece.stream, plan.names[piece.topic], piece.partition, records, int(piece.due_us[-1]))


def _counted(piece: Piece, _: int) -> list[Batch]:
    """Give a batch that has a length and nothing else."""
    return [RecordBatch(piece.stream, piece.topic, piece.partition, cast("Sequence[Record]", range(len(piece.due_us))))]


def _as_it_is(value: bytes | None) -> bytes:
    return value  # type: ignore[return-value]  # null where it was


def _values(plan: ReplayPlan) -> dict[str, Value]:
    """Say by stream how values must be changed for the sink: text sinks get JSON, a container one schema."""
    streams = set(plan.source.streams.values())
    if plan.kind.keeps_stamps:
        return {}
    as_json = _json_of(Decoder(plan.source.schemas))
    found: dict[str, Value] = dict.fromkeys(streams, as_json)
    if plan.kind.readings == ("avro",):
        found["readings"] = _of_one_schema()
    return found


def _json_of(decoder: Decoder) -> Value:
    def value(data: bytes | None) -> bytes:
        if data is None or data[:1] == b"{":
            return data or b"null"
        try:
            return text_of(decoder.decode(data)).encode()
        except UndecodableError as error:
            raise RunError(f"a record cannot be written as a line of JSON: {error}") from None

    return value


def _of_one_schema() -> Value:
    seen: list[bytes] = []

    def value(data: bytes | None) -> bytes:
        frame = (data or b"")[:FRAME_BYTES]
        seen[:] = seen or [frame]
        if frame != seen[0] or frame[:1] != b"\x00":
            raise RunError(
                "a container has records of one schema, framed; these are of several: use --to file:PATH.jsonl"
            )
        return data or b""

    return value


def container_schema(plan: ReplayPlan, first: Sequence[Piece]) -> str:
    """Find the schema that a container of the readings has: that of the *first* of them; RequestError where none."""
    for piece in first:
        if piece.stream == "readings":
            frame = (piece.columns.value(0) or b"")[:FRAME_BYTES]
            text = plan.source.schemas.get(int.from_bytes(frame[1:], "big")) if frame[:1] == b"\x00" else None
            if text is not None and not is_proto(text):
                return text
    raise RequestError(
        f"{plan.source.name}: its readings are not framed Avro of a schema that it has: use --to file:PATH.jsonl"
    )
