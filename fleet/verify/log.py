"""The checker of one topic's log: fed piece by piece in order of offset, it says what is wrong with it.

It needs what a reader has anyway, and remembers a few numbers a machine, so it reads along while a run goes on
as well as afterwards. A piece is looked at as columns, whether it came as bytes or as decoded fields; one record
after another is looked at only where a machine's are not as they should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Ints
from fleet.encode.columns import RecordColumns
from fleet.encode.decode import Decoder, UndecodableError, stream_of
from fleet.encode.digest import MachineDigest
from fleet.encode.injected import HEADER
from fleet.encode.labels import Labels
from fleet.encode.layouts import Layout
from fleet.encode.partition import partition_of
from fleet.verify.entries import Entering, Entries, Row, joined
from fleet.verify.findings import Finding, Findings
from fleet.verify.machine import FIRST_SEQ, UNKNOWN_SEQ, MachineLogs
from fleet.verify.named import Known, Named, settled, touched
from fleet.verify.observe import NONE, Observed, Spans, by_log, largest_of
from fleet.verify.outcome import OneLog, Outcome
from fleet.verify.passing import Numbers, passing
from fleet.verify.sound import unsound
from fleet.verify.unnumbered import Unnumbered, stretches

RUN_HEADER = "fleet-run"
UNREADABLE = (UndecodableError, RecursionError, OverflowError)  # the others are JSON beyond all measure
NAMES_KEPT = 64  # different sets of fields: ours are few, JSON of others may be any
STRAYS_KEPT = 1 << 16  # keys that no machine has: somebody else's topic may have any number
NO_LOG = -1
LIKE = {"truth": "readings"}

Look = Callable[[RecordColumns], None]
Progress = Callable[[int, int], None]  # records read, of how many


class _Note(NamedTuple):
    """A finding, and where in the piece its record stands."""

    place: int
    finding: Finding
    line: str


class LogChecker:
    """Checks the log of one *topic* that holds *streams*, and digests it machine by machine.

    *partitions* says how many the topic has, so that it is known where a machine belongs. *stamped* says
    whether the records' own stamps are part of the run. Machines that *known* does not hold are findings. A
    record whose run header names another run than *run_id* is none of ours and only counted. *label* stands for
    the topic in lines, where it is a file. *owns* are layouts of readings that are none of ours. The labels
    among its records are added to *labels*, which are those of all topics of the run; *named* is what these name, where
    they were read before. *look* is shown the records as well, but what is set aside.

    What a wrong client sent (see `fleet.encode.injected`) is set aside before anything else, and counted as *injected*.
    Out comes *found* (records by stream and partition), *tainted* (partitions that something was found in), *digests*;
    and after `finish` the *outcome*: what became of the numbers.
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
        owns: Sequence[Layout] = (),
        labels: Labels | None = None,
        named: Named | None = None,
        look: Look | None = None,
    ) -> None:
        self.topic = topic
        self.found: Counter[tuple[str, int]] = Counter()
        self.tainted: set[int] = set()
        self.outcome = Outcome(findings, self.tainted)
        self.trimmed_records: Counter[int] = Counter()  # by partition
        self._look = look
        self.foreign = 0  # records of other runs, by their header
        self.injected: Counter[str] = Counter()  # records that a wrong client sent, by the label their header names
        # Truth looks as readings do: only its topic says what it is.
        self._said = {LIKE.get(stream, stream): stream for stream in streams}
        self._streams = tuple(self._said)
        self.partitions = partitions
        self._findings = findings
        self._stamped = stamped
        self._known = known
        self._run_id = run_id.encode()
        self._label = label or topic
        self._decoder = Decoder(schemas, owns=owns)
        flat = {number: self._decoder.flat(number) for number in [*self._decoder.schemas, *self._decoder.protos]}
        self._entering = Entering(flat, stamped=stamped, owns=owns)
        self._stream_by_names: dict[tuple[str, ...], str] = {}
        self._labels = labels
        self._logs = MachineLogs()
        self._unnumbered = Unnumbered(self._logs)
        self._observed = Observed(self._logs, keep=None if named is None else partial(self._named_gaps, named))
        self._named: list[tuple[str, int]] = []  # stream and machine of each log
        self._log_of = {stream: np.zeros(0, np.int64) for stream in self._streams}  # by machine
        self._strays: Counter[tuple[str, str]] = Counter()  # records of a machine that stand outside its log
        self._notes: list[_Note] = []

    # ------------------------------------------------------------ what goes in

    def feed(self, partition: int, records: RecordColumns) -> None:
        """Check *records*, the next ones of *partition*."""
        for offset, count, why in records.damaged:
            self._damaged(partition, offset, count, why)
        if records.headers.any():
            records = records.chosen(~self._set_aside(records))
        if self._look is not None:
            self._look(records)
        entries, left = self._entering.of_columns(records, partition)
        ours = [part for part in entries if part.stream in self._streams]
        others = [part.place for part in entries if part.stream not in self._streams]
        rows = []
        for place in np.sort(np.concatenate([left, *others])).tolist():
            row = self._decoded(records, place, partition)
            if row is not None:
                rows.append((place, row))
        self._check(partition, ours, rows)

    def learn(self, number: int, text: str) -> None:
        """Take note of one schema more, the *text* of that with the id *number*."""
        self._decoder.learn(number, text)
        self._entering.learn(number, self._decoder.flat(number))

    def is_slow_with(self, records: RecordColumns) -> bool:
        """Whether *records* have to be decoded one by one, to judge by the first of them."""
        return bool(len(records)) and bool(self._entering.of_columns(records.chosen(slice(0, 1)), 0)[1].size)

    def take(self, partition: int, rows: Sequence[Row]) -> None:
        """Check *rows*, the next records of *partition*, which are decoded already."""
        self._check(partition, [], list(enumerate(rows)))

    def torn(self, partition: int, why: str) -> None:
        """Take note that *partition* cannot be read on."""
        self.tainted.add(partition)
        self._findings.add(Finding.UNDECODABLE, f"{self._label}: {why}")

    def trimmed(self, partition: int, records: int) -> None:
        """Take note that the next so many *records* of *partition* are no longer there."""
        self.trimmed_records[partition] += records
        size = self._logs.size
        self._logs.next_seq[:size][self._logs.home[:size] == partition] = UNKNOWN_SEQ

    def undecodable(self, partition: int, offset: int, key: bytes | None, why: str) -> None:
        """Take note of a record whose value says nothing."""
        self._undecodable(partition, 0, offset, key, why)
        self._say()

    # ------------------------------------------------------------ one record

    def _set_aside(self, records: RecordColumns) -> Bools:
        """Say which records have the header of another run, or of a wrong client, and count them."""
        aside = np.zeros(len(records), np.bool_)
        for row in np.flatnonzero(records.headers).tolist():
            pairs = records.header_pairs(row)
            foreign = bool(self._run_id) and any(name == RUN_HEADER and value != self._run_id for name, value in pairs)
            label = next((value for name, value in pairs if name == HEADER), None)
            self.foreign += foreign
            if label is not None and not foreign:
                self.injected[label.decode(errors="replace")] += 1
            aside[row] = foreign or label is not None
        return aside

    def _decoded(self, records: RecordColumns, place: int, partition: int) -> Row | None:
        key, value, offset = records.key(place), records.value(place) or b"", int(records.offset[place])
        try:
            said = self._decoder.said(value)
            fields = self._decoder.ours(said, key)
        except UNREADABLE as error:
            self._undecodable(partition, place, offset, key, str(error))
            return None
        return Row(offset, int(records.stamp_ms[place]), key or b"", value, fields, self._decoder.own_of(said))

    def _stream_of(self, row: Row) -> str:
        names = tuple(row.fields)
        stream = self._stream_by_names.get(names)
        if stream is None:
            if len(self._stream_by_names) >= NAMES_KEPT:
                self._stream_by_names.clear()
            stream = self._stream_by_names[names] = stream_of(row.fields)
        return stream

    def _undecodable(self, partition: int, place: int, offset: int, key: bytes | None, why: str) -> None:
        # It has to count as something, or it would be lost as well: as what the topic is made for.
        stream, machine = self._streams[0], (key or b"").decode(errors="replace")
        self.found[self._said[stream], partition] += 1
        self._stray(stream, machine)
        self._found(Finding.UNDECODABLE, partition, place, offset, f"{machine}: {why}")

    def _damaged(self, partition: int, offset: int, count: int, why: str) -> None:
        """Take note of *count* records that cannot even be told apart."""
        self.found[self._said[self._streams[0]], partition] += count
        self.tainted.add(partition)
        self._findings.add(Finding.UNDECODABLE, f"{self._label}[{partition}]@{offset}: {why}", count=count)

    def _misplaced(self, partition: int, place: int, row: Row, stream: str) -> None:
        machine = row.key.decode(errors="replace") if row.key else str(row.fields.get("machine", ""))
        text = f"{machine}: a record of {stream} among {' and '.join(self._said.values())}"
        self._found(Finding.STREAM, partition, place, row.offset, text)

    def _stray(self, stream: str, machine: str) -> None:
        """Remember that a record of *machine* stands outside its log, so that its absence there is no news."""
        number, logs = self._entering.machines.find(machine), self._log_of[stream]
        if (0 <= number < len(logs) and logs[number] != NO_LOG) or len(self._strays) < STRAYS_KEPT:
            self._strays[stream, machine] += 1

    def _found(self, finding: Finding, partition: int, place: int, offset: int, text: str) -> None:
        self.tainted.add(partition)
        self._notes.append(_Note(place, finding, f"{self._label}[{partition}]@{offset}: {text}"))

    def _say(self) -> None:
        """Tell what was found in a piece, in the order of its records."""
        for note in sorted(self._notes, key=lambda note: note.place):
            self._findings.add(note.finding, note.line)
        self._notes.clear()

    # ------------------------------------------------------------ a piece

    def _check(self, partition: int, entries: Sequence[Entries], rows: Sequence[tuple[int, Row]]) -> None:
        """Check a piece, of which some is *entries* already and some decoded *rows*, each with its place."""
        groups: dict[str, list[tuple[int, Row]]] = {}
        for place, row in rows:
            stream = self._stream_of(row)
            problem = unsound(row.fields, stream)
            if problem:
                self._undecodable(partition, place, row.offset, row.key, problem)
            elif stream not in self._streams:
                self._misplaced(partition, place, row, stream)
            else:
                groups.setdefault(stream, []).append((place, row))
                if stream == "labels" and self._labels is not None:
                    self._labels.add(row.fields)
        for stream in self._streams:
            parts = [part for part in entries if part.stream == stream and len(part.place)]
            parts += self._entering.of_rows(stream, groups.get(stream, []), partition)
            if parts:
                self._check_stream(partition, joined(parts))
        self._say()

    def _check_stream(self, partition: int, entries: Entries) -> None:
        """Check the records of one stream in a piece."""
        self.found[self._said[entries.stream], partition] += len(entries.place)
        if entries.wrong_keys:
            entries = self._rightly_keyed(partition, entries)
        if not len(entries.place):
            return
        log = self._numbered_logs(partition, entries)
        for rows in stretches(log, entries.numbers.numbered):
            part = entries if isinstance(rows, slice) else entries.chosen(rows)
            self._check_stretch(partition, part, log[rows])

    def _check_stretch(self, partition: int, entries: Entries, log: Ints) -> None:
        """Check records of one stream that all have a number, or none of which has; they stand in logs *log*."""
        numbers = entries.numbers._replace(log=log)
        if numbers.numbered[0]:
            self._unnumbered.resume(log)
        else:
            self._unnumbered.count(log)
        rest = passing(self._logs, numbers, entries.contents, partition=partition, stamped=self._stamped)
        elsewhere = rest & (self._logs.home[log] != partition)
        for row in np.flatnonzero(elsewhere).tolist():
            self._misplaced_log(partition, entries, row, int(log[row]))
        rows = np.flatnonzero(rest & ~elsewhere)
        if len(rows):
            self._look_at(partition, entries, numbers, rows)

    def _rightly_keyed(self, partition: int, entries: Entries) -> Entries:
        """Take note of records whose key is another, and give the others: such a record is in no machine's log."""
        right = np.ones(len(entries.place), np.bool_)
        for row, key in entries.wrong_keys.items():
            machine, said = self._entering.machines.texts[entries.machine[row]], key.decode(errors="replace")
            text = f"{machine}: has the key {said!r}"
            self._found(Finding.KEY, partition, int(entries.place[row]), int(entries.offset[row]), text)
            self._stray(entries.stream, machine)
            self._stray(entries.stream, said)
            right[row] = False
        return entries.chosen(right)

    def _numbered_logs(self, partition: int, entries: Entries) -> Ints:
        """Give the number of each record's log; begin those of machines that were not seen yet."""
        stream, machines = entries.stream, len(self._entering.machines.texts)
        known = self._log_of[stream]
        if len(known) < machines:
            known = self._log_of[stream] = np.append(known, np.full(machines, NO_LOG))
        log = known[entries.machine]
        if (log == NO_LOG).any():
            new, first = np.unique(entries.machine[log == NO_LOG], return_index=True)
            rows = np.flatnonzero(log == NO_LOG)[first]
            for index in np.argsort(rows).tolist():
                known[new[index]] = self._begin(partition, entries, int(rows[index]))
            log = known[entries.machine]
        return log

    def _begin(self, partition: int, entries: Entries, row: int) -> int:
        """Begin the log of the machine in a *row*."""
        number = int(entries.machine[row])
        machine = self._entering.machines.texts[number]
        home = partition_of(machine.encode(), self.partitions)
        self._named.append((entries.stream, number))
        if self._known is not None and machine not in self._known:
            text = f"{machine}: no machine of the scenario"
            self._found(Finding.UNKNOWN, partition, int(entries.place[row]), int(entries.offset[row]), text)
        return self._logs.add(home, UNKNOWN_SEQ if self.trimmed_records[home] > 0 else FIRST_SEQ)

    @property
    def unnumbered(self) -> set[str]:
        """The streams of which some log ends in records without a number: nothing says how many there must be."""
        return {self._said[self._named[log][0]] for log in np.flatnonzero(self._logs.unnumbered).tolist()}

    def _misplaced_log(self, partition: int, entries: Entries, row: int, log: int) -> None:
        """Take note of a record that stands in another partition than its machine's log."""
        machine, home = self._entering.machines.texts[entries.machine[row]], int(self._logs.home[log])
        text = f"{machine}: belongs in partition {home}, as its other records do"
        self._found(Finding.PARTITION, partition, int(entries.place[row]), int(entries.offset[row]), text)
        self.tainted.add(home)
        self._stray(entries.stream, machine)

    def _look_at(self, partition: int, entries: Entries, numbers: Numbers, rows: Ints) -> None:
        """Take *rows* into their machines' logs, in which not everything is as usual; find what is surely wrong."""
        behind = np.zeros(len(rows), np.bool_)
        numbered = numbers.numbered[rows]
        if numbered.any():
            behind[numbered], wrong = self._observed.take(numbers, rows[numbered], entries.offset)
            for row, log, last, seq in wrong:
                text = f"{self._machine(log)}: seq {last} before {seq}"
                self._found(Finding.ORDER, partition, int(entries.place[row]), int(entries.offset[row]), text)
        if not self._stamped:
            return
        stamp_ms = numbers.stamp_ms[rows]
        before = largest_of(numbers.log[rows], stamp_ms, self._logs.stamp_ms)
        for at in np.flatnonzero((stamp_ms < before) & ~behind).tolist():  # what stands behind is older
            row = int(rows[at])
            log, offset = int(numbers.log[row]), int(entries.offset[row])
            text = f"{self._machine(log)}: stamp {stamp_ms[at]} after {before[at]}"
            if numbers.numbered[row]:
                self._found(Finding.STAMP, partition, int(entries.place[row]), offset, text)
            else:  # a label may say so, of numbers that are not to be seen
                self._unnumbered.older(log, f"{self._label}[{partition}]@{offset}: {text}")

    def _machine(self, log: int) -> str:
        """Give the machine whose log has this number."""
        return self._entering.machines.texts[self._named[log][1]]

    # ------------------------------------------------------------ what comes out

    @property
    def digests(self) -> dict[str, dict[str, MachineDigest]]:
        """By stream and machine: digest and count of what was fed so far, as the encoder gives them."""
        found: dict[str, dict[str, MachineDigest]] = {stream: {} for stream in self._said.values()}
        logs, texts = self._logs, self._entering.machines.texts
        columns = (column[: logs.size].tolist() for column in (logs.home, logs.digest, logs.count))
        for (stream, machine), home, digest, count in zip(self._named, *columns, strict=True):
            found[self._said[stream]][texts[machine]] = MachineDigest(self.topic, home, digest, count)
        return found

    def finish(self, named: Named | None = None, *, whole: Collection[str] = (), dense: Collection[str] = ()) -> None:
        """Hold what was unusual against what labels have *named*; call it once, after the last record.

        *whole* are the streams of which all was read and arrived: of others nothing is said of what is not as named.
        In logs of the *dense* ones nothing but what labels name may be absent.
        """
        gaps, behind = (by_log(spans) for spans in self._observed.finish())
        folded = np.flatnonzero(self._observed.folded).tolist()
        for number in sorted({*gaps, *behind, *folded, *self._unnumbered.logs, *self._logs_named(named)}):
            log = self._one(number)
            known = Known(
                int(self._logs.next_seq[number]),
                whole=log.stream in whole and not self.trimmed_records[log.home] and not self._observed.blurred[number],
                dense=log.stream in dense,
            )
            torn, late = gaps.get(number, NONE), behind.get(number, NONE)
            kinds = named.of(log.machine) if named is not None and self._named[number][0] == "readings" else {}
            kinds, hidden = self._unnumbered.hidden(number, kinds, torn, late)
            found = settled(torn, late, kinds, known)
            found.missing += int(self._observed.folded[number])
            filled = self._unnumbered.fill(number, found, hidden)
            if named is None or log.machine not in named.open_machines:  # what goes on will be named at its end
                self.outcome.settle(log, found)
                self.outcome.fill(log, filled)
                older, lines = self._unnumbered.older_count[number], self._unnumbered.older_lines.get(number, ())
                self.outcome.date(log, older, lines, named=hidden.older)

    def _one(self, number: int) -> OneLog:
        """Say which log has this *number*."""
        stream, text = self._named[number]
        machine, home = self._entering.machines.texts[text], int(self._logs.home[number])
        return OneLog(self._said[stream], machine, home, f"{self._label}[{home}]", self._strays[stream, machine])

    def _named_gaps(self, named: Named, gaps: Spans) -> Bools:
        """Say in which *gaps* there is a number that labels have *named*."""
        found = np.zeros(len(gaps.log), np.bool_)
        for number in self._logs_named(named):
            rows = np.flatnonzero(gaps.log == number)
            kinds, next_seq = named.of(self._machine(number)), int(self._logs.next_seq[number])
            found[rows] = touched(gaps.chosen(rows), kinds, next_seq=next_seq)
        return found

    def _logs_named(self, named: Named | None) -> list[int]:
        """Give the logs of readings of the machines that labels speak of."""
        found = []
        for machine in () if named is None else named.machines:
            text = self._entering.machines.find(machine)
            logs = self._log_of.get("readings", NO_LOGS)
            if 0 <= text < len(logs) and logs[text] != NO_LOG:
                found.append(int(logs[text]))
        return found


NO_LOGS = np.zeros(0, np.int64)
