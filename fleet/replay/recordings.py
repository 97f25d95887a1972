"""A recording as a source: what it holds, which run it was, and what of it is missing."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from fleet.data import TopicPlan
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.runs import run_fields
from fleet.errors import RequestError
from fleet.replay.pieces import Load, Piece, columns_of, pieces
from fleet.scenario.times import moment
from fleet.sinks.recorded import Block, Contents, Recording
from fleet.sinks.recording import RUNS, Slice
from fleet.sinks.stamps import OURS
from fleet.verify.runs import Run, assemble

REPLICATION = 1  # as a scenario has it that says nothing
KEPT_SETTINGS = ("retention.bytes", "max.message.bytes", "compression.type")
PLACES_SHOWN = 5


class RecordingSource:
    """The records of the recording at *path*; RequestError where it is none or has none."""

    def __init__(self, path: Path) -> None:
        self._recording = Recording(path)
        try:
            found = self._recording.contents()
            self._blocks = found.blocks
            self.run = self._run(found)
        except BaseException:
            self._recording.__exit__()
            raise
        self.name = str(path)
        meta = self._recording.meta
        self.schemas = dict(meta.schemas)
        self.streams = {topic: stream for topic, stream in found.streams.items() if stream != RUNS}
        self.topics = tuple(self._topic(name, found) for name in self.streams)
        self.records = sum(count for stream, count in found.records.items() if stream != RUNS)
        self.first_ms, self.first_us, self.last_us = found.first_ms, found.first_us, found.last_us
        self.missing = _missing(path, self._recording, found, self.records, self.run)
        if not self.records:
            said = f": {self.missing[0]}" if self.missing else ""
            self._recording.__exit__()
            raise RequestError(f"{path}: has no record to send again{said}")

    def __enter__(self) -> RecordingSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recording.__exit__()

    def loads(self) -> list[Load]:
        """Give the blocks that hold records, in the order in which they lie in the file."""
        return [
            Load(number, block.first_us, block.records) for number, block in enumerate(self._blocks) if block.records
        ]

    def read(self, load: Load) -> list[Piece]:
        """Read a block."""
        return list(pieces(self._recording.slices(self._blocks[load.number])))

    def _topic(self, name: str, found: Contents) -> TopicPlan:
        said = self._recording.meta.topics.get(name, {})
        settings = {key: value for key, value in said.get("settings", {}).items() if key in KEPT_SETTINGS}
        partitions = max(int(said.get("partitions", 1)), found.partitions[name])
        return TopicPlan(name, partitions, REPLICATION, {**OURS, **settings})

    def _run(self, found: Contents) -> Run | None:
        """Put together what the recorded run said of itself; None where none did."""
        if RUNS not in found.records:
            return None
        decoder, said = Decoder(), []
        for block in self._blocks:
            for part in self._runs_in(block):
                columns = columns_of([part])
                for row in range(len(columns)):
                    try:
                        said.append(run_fields(decoder, columns.value(row)))
                    except UndecodableError:
                        continue  # of a fleet that is newer: then the run is not known
        runs = assemble(said)
        return runs[-1] if runs else None

    def _runs_in(self, block: Block) -> list[Slice]:
        return [part for part in self._recording.slices(block) if part.stream == RUNS]


def _missing(path: Path, recording: Recording, found: Contents, records: int, run: Run | None) -> list[str]:
    """Say what is not there: what the recorder could not have, and what was lost of the file."""
    said = [f"{path}: {text}" for text in found.missing]
    if not found.torn:
        return said
    lines = [f"{path}: {found.torn}; {records:,} whole records are there"]
    gone = [
        f"{topic}[{partition}] from offset {at:,} to {stop:,}"
        for topic, spans in recording.meta.expected.items()
        for partition, (start, stop) in spans.items()
        if (at := max(found.next_offset.get((topic, int(partition)), 0), start)) < stop
    ]
    if recording.meta.expected:
        more = f" and {len(gone) - PLACES_SHOWN} more partitions" if len(gone) > PLACES_SHOWN else ""
        lines.append(f"{path}: missing: {', '.join(gone[:PLACES_SHOWN])}{more}")
    else:
        after = f"after {moment(found.last_us)}" if found.last_us else "from the beginning on"
        lines.append(f"{path}: missing: what followed {after}; a recording of a run as it went cannot say how much")
    return [*said, *lines]
