"""The checker of one topic's log: fed batch by batch in order of offset, it says what is wrong with it.

It needs what a reader has anyway, and remembers a few numbers a machine, so it reads along while a run goes on
as well as afterwards. The seam to a faster reader is `LogChecker.feed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fleet.encode.decode import Decoder, UndecodableError, reading_layout, stream_of
from fleet.encode.digest import MachineDigest, decoded_contents, placed, word_of_record
from fleet.encode.partition import partition_of
from fleet.verify.findings import FINDINGS_SHOWN, Finding, Findings
from fleet.verify.machine import FIRST_SEQ, UNKNOWN_SEQ, MachineLog, Seen
from fleet.verify.sound import unsound

RUN_HEADER = "fleet-run"
UNREADABLE = (UndecodableError, RecursionError, OverflowError)  # the others are JSON beyond all measure
JSON_BEGIN = b"{"  # Avro cannot but have fields of the right types
NAMES_KEPT = 64  # different sets of fields: ours are few, JSON of others may be any
STRAYS_KEPT = 1 << 16  # keys that no machine has: somebody else's topic may have any number
GROWTH = 1024  # machines a step


class LogRecord(Protocol):
    """A record as a reader gives it; aiokafka's are such."""

    offset: int
    timestamp: int  # the record's own stamp, in ms
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Row(NamedTuple):
    """A decoded record; *key* is None where the log keeps none."""

    offset: int
    stamp_ms: int
    key: bytes | None
    value: bytes
    fields: Mapping[str, Any]


class _Placed(NamedTuple):
    row: Row
    number: int  # of the machine
    n: int  # how many records its log had before


class LogChecker:
    """Checks the log of one *topic* that holds *streams*, and digests it machine by machine.

    *partitions* says how many the topic has, so that it is known where a machine belongs. *stamped* says
    whether the records' own stamps are part of the run. Machines that *known* does not hold are findings. A
    record whose run header names another run than *run_id* is none of ours and only counted. *label* stands for
    the topic in lines, where it is a file.

    Out comes *found* (records by stream and partition), *duplicates* (by stream), *tainted* (partitions that
    something was found in), *digests*; and after `finish`, *missing*: how many numbers are absent, by stream,
    and the first of them as *missing_lines*. Whether something explains those is for the caller to say.
    """

    def __init__(
        self,
        topic: str,
        *,
        streams: Collection[str],
        partitions: int,
        findings: Findings,
        stamped: bool = True,
        known: Collection[str] | None = None,
        run_id: str = "",
        label: str = "",
        schemas: Mapping[int, str] | None = None,
    ) -> None:
        self.topic = topic
        self.found: Counter[tuple[str, int]] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.missing_lines: list[str] = []
        self.tainted: set[int] = set()
        self.trimmed_records: Counter[int] = Counter()  # by partition
        self.foreign = 0  # records of other runs, by their header
        self.unnumbered: set[str] = set()  # streams whose layout has no numbers
        self._streams = tuple(streams)
        self.partitions = partitions
        self._findings = findings
        self._stamped = stamped
        self._known = known
        self._run_id = run_id.encode()
        self._label = label or topic
        self._decode = Decoder(schemas).decode
        self._stream_by_names: dict[tuple[str, ...], str] = {}
        self._logs: dict[tuple[str, str], MachineLog] = {}
        self._counts: list[int] = []
        self._digest = np.zeros(GROWTH, np.uint64)
        self._strays: Counter[tuple[str, str]] = Counter()  # records of a machine that stand outside its log

    # ------------------------------------------------------------ what goes in

    def feed(self, partition: int, records: Iterable[LogRecord]) -> None:
        """Check *records*, the next ones of *partition*."""
        self.take(partition, self._decoded(partition, records))

    def take(self, partition: int, rows: Iterable[Row]) -> None:
        """Check *rows*, the next records of *partition*, which are decoded already."""
        groups: dict[tuple[str, bool], list[_Placed]] = {}
        for row in rows:
            names = tuple(row.fields)
            stream = self._stream_by_names.get(names) or self._stream_of(names, row)
            problem = unsound(row.fields, stream) if row.value[:1] == JSON_BEGIN or not stream else ""
            if problem or stream not in self._streams:
                self._misplaced(partition, row, stream, problem)
                continue
            self.found[stream, partition] += 1
            log = self._log_of(stream, row, partition)
            if log is not None:
                n = self._counts[log.number]
                self._counts[log.number] = n + 1
                groups.setdefault((stream, "seq" in row.fields), []).append(_Placed(row, log.number, n))
        for (stream, _), group in groups.items():
            self._add(stream, partition, group)

    def _stream_of(self, names: tuple[str, ...], row: Row) -> str:
        if len(self._stream_by_names) >= NAMES_KEPT:
            self._stream_by_names.clear()
        stream = self._stream_by_names[names] = stream_of(row.fields)
        return stream

    def torn(self, partition: int, why: str) -> None:
        """Take note that *partition* cannot be read on."""
        self.tainted.add(partition)
        self._findings.add(Finding.UNDECODABLE, f"{self._label}: {why}")

    def trimmed(self, partition: int, records: int) -> None:
        """Take note that the next so many *records* of *partition* are no longer there."""
        self.trimmed_records[partition] += records
        for log in self._logs.values():
            if log.home == partition:
                log.next_seq = UNKNOWN_SEQ

    def _decoded(self, partition: int, records: Iterable[LogRecord]) -> Iterator[Row]:
        for record in records:
            if self._run_id and record.headers and self._is_foreign(record):
                self.foreign += 1
                continue
            value = record.value or b""
            try:
                fields = self._decode(value)
            except UNREADABLE as error:
                self.undecodable(partition, record.offset, record.key, str(error))
                continue
            yield Row(record.offset, record.timestamp, record.key or b"", value, fields)

    def _is_foreign(self, record: LogRecord) -> bool:
        return any(name == RUN_HEADER and value != self._run_id for name, value in record.headers)

    # ------------------------------------------------------------ one record

    def _log_of(self, stream: str, row: Row, partition: int) -> MachineLog | None:
        """Check *row* against its machine's log; give that log unless the record has a wrong key."""
        machine = row.fields["location" if stream == "doors" else "machine"]
        if row.key is not None and row.key != machine.encode():
            said = row.key.decode(errors="replace")
            self._found(Finding.KEY, partition, row.offset, f"{machine}: has the key {said!r}")
            self._stray(stream, machine)
            self._stray(stream, said)
            return None
        log = self._logs.get((stream, machine)) or self._new(stream, machine, row, partition)
        if partition != log.home:
            text = f"{machine}: belongs in partition {log.home}, as its other records do"
            self._found(Finding.PARTITION, partition, row.offset, text)
            self.tainted.add(log.home)
            self._stray(stream, machine)
            return log
        seq = row.fields.get("seq")
        seen = Seen.NEXT
        if seq == log.next_seq:
            log.next_seq += 1
        elif seq is not None:
            seen = self._jumped(stream, machine, log, row, partition)
        if self._stamped:
            if row.stamp_ms < log.stamp_ms and seen is Seen.NEXT:
                text = f"{machine}: stamp {row.stamp_ms} after {log.stamp_ms}"
                self._found(Finding.STAMP, partition, row.offset, text)
            log.stamp_ms = max(log.stamp_ms, row.stamp_ms)
        return log

    def _new(self, stream: str, machine: str, row: Row, partition: int) -> MachineLog:
        home = partition_of(machine.encode(), self.partitions)
        trimmed = self.trimmed_records[home] > 0
        log = MachineLog(len(self._counts), home, UNKNOWN_SEQ if trimmed else FIRST_SEQ)
        self._logs[stream, machine] = log
        self._counts.append(0)
        if len(self._counts) > len(self._digest):
            self._digest = np.pad(self._digest, (0, len(self._digest)))
        if "seq" not in row.fields:
            self.unnumbered.add(stream)
        if self._known is not None and machine not in self._known:
            text = f"{machine}: no machine of the scenario"
            self._found(Finding.UNKNOWN, partition, row.offset, text)
        return log

    def _jumped(self, stream: str, machine: str, log: MachineLog, row: Row, partition: int) -> Seen:
        seq, last = row.fields["seq"], log.next_seq - 1
        seen = log.jump(seq, row.offset)
        if seen is Seen.MISNUMBERED:
            text = f"{machine}: seq {last} before {seq}"
            self._found(Finding.ORDER, partition, row.offset, text)
            return Seen.NEXT
        if seen is Seen.LATE:
            text = f"{machine}: seq {seq} after {last}"
            self._found(Finding.ORDER, partition, row.offset, text)
        elif seen is Seen.AGAIN:
            self.duplicates[stream] += 1
            text = f"{machine}: seq {seq} again after {last}"
            self._found(Finding.DUPLICATE, partition, row.offset, text)
        return Seen.NEXT if seen is Seen.AFTER_GAP else seen

    def _found(self, finding: Finding, partition: int, offset: int, text: str) -> None:
        self.tainted.add(partition)
        self._findings.add(finding, f"{self._label}[{partition}]@{offset}: {text}")

    def _stray(self, stream: str, machine: str) -> None:
        """Remember that a record of *machine* stands outside its log, so that its absence there is no news."""
        if (stream, machine) in self._logs or len(self._strays) < STRAYS_KEPT:
            self._strays[stream, machine] += 1

    def undecodable(self, partition: int, offset: int, key: bytes | None, why: str) -> None:
        """Take note of a record whose value says nothing."""
        # It has to count as something, or it would be lost as well: as what the topic is made for.
        stream, machine = self._streams[0], (key or b"").decode(errors="replace")
        self.found[stream, partition] += 1
        self._stray(stream, machine)
        self._found(Finding.UNDECODABLE, partition, offset, f"{machine}: {why}")

    def _misplaced(self, partition: int, row: Row, stream: str, problem: str) -> None:
        if problem:
            self.undecodable(partition, row.offset, row.key, problem)
            return
        machine = row.key.decode(errors="replace") if row.key else str(row.fields.get("machine", ""))
        text = f"{machine}: a record of {stream} among {' and '.join(self._streams)}"
        self._found(Finding.STREAM, partition, row.offset, text)

    # ------------------------------------------------------------ digests

    def _add(self, stream: str, partition: int, group: list[_Placed]) -> None:
        """Add a *group* of records of one layout to their machines' digests."""
        stamps = [row.stamp_ms if self._stamped else 0 for row, _, _ in group]
        if stream == "readings":
            fields = [row.fields for row, _, _ in group]
            contents = decoded_contents(fields, reading_layout(fields[0]), partition=partition, stamps_ms=stamps)
        else:
            words = [
                word_of_record(partition, stamp, _key_of(row), row.value)
                for (row, _, _), stamp in zip(group, stamps, strict=True)
            ]
            contents = np.array(words, np.uint64)
        n = np.array([n for _, _, n in group], np.uint64)
        np.add.at(self._digest, [number for _, number, _ in group], placed(contents, n))

    @property
    def digests(self) -> dict[str, dict[str, MachineDigest]]:
        """By stream and machine: digest and count of what was fed so far, as the encoder gives them."""
        found: dict[str, dict[str, MachineDigest]] = {stream: {} for stream in self._streams}
        digests = self._digest[: len(self._counts)].tolist()
        for (stream, machine), log in self._logs.items():
            number = log.number
            found[stream][machine] = MachineDigest(self.topic, log.home, digests[number], self._counts[number])
        return found

    # ------------------------------------------------------------ the end

    def finish(self) -> None:
        """Count the numbers that never came; call it once, after the last record."""
        for (stream, machine), log in self._logs.items():
            # A record with a wrong key or in a wrong partition is a finding already, and no gap as well.
            missing = log.missing - self._strays[stream, machine]
            if missing > 0:
                self.missing[stream] += missing
                self.tainted.add(log.home)
                self.missing_lines += [
                    f"{self._label}[{log.home}]@{gap.offset}: {machine}: {gap}"
                    for gap in (log.gaps or ())[: FINDINGS_SHOWN - len(self.missing_lines)]
                ]


def _key_of(row: Row) -> bytes:
    """Give the key a record had when it was written; files keep none, but it is the machine."""
    if row.key is not None:
        return row.key
    machine: str = row.fields.get("machine") or row.fields["location"]
    return machine.encode()


Progress = Callable[[int, int], None]  # records read, of how many
