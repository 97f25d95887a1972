"""What a replay was asked for, and what follows from it."""

from __future__ import annotations

import math
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from fleet.contract.access import Access
from fleet.data import SECOND_US, TopicPlan
from fleet.errors import RequestError
from fleet.replay.pieces import Source
from fleet.run.plan import EMBEDDED
from fleet.sinks.open import SinkKind, sink_kind
from fleet.sinks.settings import ProducerSettings


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What was asked for on the command line."""

    file: str
    target: str = EMBEDDED
    speed: float = 1.0  # math.inf: as fast as it goes
    rebase: bool = False  # whether the first record's stamp becomes the present
    loop: bool = False
    topic: str | None = None  # where the readings go
    kafka_config: Path | None = None
    stop_timeout_s: float = 30.0
    producer: ProducerSettings = field(default_factory=ProducerSettings)
    repeated: tuple[str, ...] = ()  # further options, for the command that repeats it
    registry: Access | None = None  # asked for the schemas of ids that the recording does not know
    registers: bool = False  # whether what is sent gets the ids of that registry


@dataclass(frozen=True, slots=True, eq=False)
class ReplayPlan:
    """Everything a replay needs to know before it opens anything."""

    request: ReplayRequest
    source: Source
    kind: SinkKind
    topics: tuple[TopicPlan, ...]
    names: dict[str, str]  # by a recorded topic's name: where its records go
    shift_ms: int
    run_id: str
    ids: Mapping[int, int] = field(default_factory=dict)  # by the recorded ones, where others take their place
    runs_id: int | None = None  # that of the records of runs, likewise

    @property
    def schemas(self) -> dict[int, str]:
        """The schemas by the ids that the records go out with."""
        known = self.source.schemas
        return {**known, **{new: known[old] for old, new in self.ids.items()}}

    @property
    def embedded(self) -> bool:
        """Whether it goes to a broker of its own."""
        return self.request.target == EMBEDDED

    @property
    def paced(self) -> bool:
        """Whether there is a schedule to keep."""
        return not math.isinf(self.request.speed)


def make_plan(request: ReplayRequest, source: Source, *, wall_us: int) -> ReplayPlan:
    """Settle topics and stamps; RequestError where they cannot be as asked."""
    kind = sink_kind("kafka://embedded:0") if request.target == EMBEDDED else sink_kind(request.target)
    if request.kafka_config is not None and kind.name != "kafka":
        raise RequestError("--kafka-config: is about a Kafka, and nothing is sent to one; give --to kafka://HOST:PORT")
    if request.loop and kind.name.startswith(("file", "recording")):
        raise RequestError("--loop: would fill the disk; use it with --to kafka://HOST:PORT or stdout:")
    names = _names(request, source)
    return ReplayPlan(
        request=request,
        source=source,
        kind=kind,
        topics=tuple(replace(topic, name=names[topic.name]) for topic in source.topics),
        names=names,
        shift_ms=wall_us // 1000 - source.first_ms if request.rebase else 0,
        run_id=f"{datetime.fromtimestamp(wall_us / SECOND_US, UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
    )


def _names(request: ReplayRequest, source: Source) -> dict[str, str]:
    """Say where the records of each topic go: with --topic those of readings, or of the only topic, go there."""
    names = {topic: topic for topic in source.streams}
    if request.topic is None:
        return names
    readings = [topic for topic, stream in source.streams.items() if stream == "readings"] or list(names)
    if len(readings) > 1:
        raise RequestError(
            f"--topic: the readings of {source.name} are in {len(readings)} topics "
            f"({', '.join(sorted(readings)[:3])}, ...): they keep their names, leave --topic out"
        )
    if request.topic in names.values() and request.topic != readings[0]:
        raise RequestError(f"--topic: {request.topic!r} is that of the {source.streams[request.topic]}; use another")
    return names | {readings[0]: request.topic}


def repeat_command(request: ReplayRequest) -> str:
    """Give the command that sends the same records again."""
    words = ["fleet", "replay", request.file]
    words += ["--speed", "max" if math.isinf(request.speed) else f"{request.speed:.15g}"]
    words += [] if request.target == EMBEDDED else ["--to", request.target]
    words += ["--rebase", "now"] if request.rebase else []
    words += ["--registry", request.registry.text] if request.registers and request.registry else []
    words += ["--loop"] if request.loop else []
    words += ["--topic", request.topic] if request.topic else []
    words += ["--kafka-config", str(request.kafka_config)] if request.kafka_config else []
    return shlex.join([*words, *request.repeated])
