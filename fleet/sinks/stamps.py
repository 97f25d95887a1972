"""Compare a topic's settings with the time stamps of a run's records.

Kafka judges records by their own stamp: one too far ahead of the broker's clock is refused, one older than
the retention is acknowledged and soon deleted. So both are compared before the first record is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.errors import RequestError

LONG_MAX = (1 << 63) - 1
OURS: Mapping[str, str] = {  # settings of every topic we make, where its plan says nothing else
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(LONG_MAX),
    "message.timestamp.before.max.ms": str(LONG_MAX),
}

RECORD_TIME = "run with --record-time wall"


@dataclass(frozen=True, slots=True)
class RunTimes:
    """The stamps of a run's records: first and last; *endless* without a last one, *ahead* at speed above 1."""

    first_ms: int
    last_ms: int
    endless: bool
    ahead: bool


def check_settings(
    topic: str, settings: Mapping[str, str], times: RunTimes, *, now_ms: int, way_out: str = RECORD_TIME
) -> None:
    """Compare a *topic*'s settings with the stamps of a run that starts now; RequestError on a conflict.

    *way_out* is what can be done where topic and settings are to stay.
    """
    if "compact" in settings.get("cleanup.policy", "delete"):
        raise RequestError(
            f"kafka: topic {topic!r} has cleanup.policy={settings['cleanup.policy']}, and compaction keeps only the "
            "last record of each machine; use another topic, or set cleanup.policy=delete"
        )
    if settings.get("message.timestamp.type") == "LogAppendTime":
        return  # the broker puts its own time on every record, and judges by that
    for name, says in _conflicts(settings, times, now_ms):
        raise RequestError(
            f"kafka: topic {topic!r} has {name}={settings[name]}, but {says}; use another topic, set "
            f"{name}={OURS.get(name, LONG_MAX)}, or {way_out}"
        )


def _conflicts(settings: Mapping[str, str], times: RunTimes, now_ms: int) -> Iterator[tuple[str, str]]:
    age_ms = now_ms - times.first_ms
    for name in ("message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"):
        if age_ms > int(settings.get(name, LONG_MAX)):
            yield name, f"the run's first record is {_span(age_ms)} old and would be refused"
    retention_ms = int(settings.get("retention.ms", -1))
    if 0 <= retention_ms < age_ms and "delete" in settings.get("cleanup.policy", "delete"):
        yield "retention.ms", f"the run's first record is {_span(age_ms)} old and would soon be deleted"
    # At speed 1 a record is as far ahead of the clock as the first one; faster, the last one is farthest.
    lead_ms = (times.last_ms if times.ahead else times.first_ms) - now_ms
    for name in ("message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"):
        allowed_ms = int(settings.get(name, LONG_MAX))
        if times.endless and times.ahead and allowed_ms < LONG_MAX:
            yield name, "a run without an end at a speed above 1 gets ahead of any bound"
        elif lead_ms > allowed_ms:
            yield name, f"the run's records are up to {_span(lead_ms)} ahead of now and would be refused"


def _span(milliseconds: int) -> str:
    """Write a span in the largest unit that leaves a number above 1."""
    for unit, size in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000)):
        if milliseconds >= 2 * size:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds // 1000} s"
