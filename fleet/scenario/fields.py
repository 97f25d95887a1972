"""The scalar fields of scenarios and kinds that are no quantities: names, counts, times, topics."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from fleet.scenario.quantities import refused
from fleet.scenario.wording import did_you_mean, shown

NAME_MAX = 100
TOPIC_MAX = 249  # Kafka's own limit
DAY_S = 86_400
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLACEHOLDERS = ("site", "area", "line", "kind")

CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
TOPIC = re.compile(r"[a-zA-Z0-9._-]+")


class Model(BaseModel):
    """What every part of a file is: frozen, and no key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Hours(NamedTuple):
    """A span of the day in seconds since midnight UTC; beyond 86400 where it crosses midnight."""

    start_s: int
    stop_s: int


def whole(noun: str, *, least: int, most: int) -> Callable[[object], int]:
    """Return the check of a whole number from *least* to *most*."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise refused(f"must be {noun}, a whole number, got {shown(value)}")
        if value < least:
            raise refused(f"must be at least {least}, got {shown(value)}")
        if value > most:
            raise refused(f"must be at most {most}, got {shown(value)}")
        return value

    return check


def number(*, above: float | None = None, least: float | None = None, most: float = 1e12) -> Callable[[object], float]:
    """Return the check of a plain number without a unit."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise refused(f"must be a number without a unit, got {shown(value)}")
        if above is not None and value <= above:
            raise refused(f"must be above {above:g}, got {shown(value)}")
        if least is not None and value < least:
            raise refused(f"must be at least {least:g}, got {shown(value)}")
        if abs(value) > most:
            raise refused(f"must be at most {most:g}, got {shown(value)}")
        return float(value)

    return check


def matching(pattern: str, holds: str, *, most: int = NAME_MAX) -> Callable[[object], str]:
    """Return the check of a name that matches *pattern*; *holds* says in words what that means."""
    form = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str):
            hint = "; put it in quotes" if isinstance(value, int | float) else ""
            raise refused(f"must be text, got {shown(value)}{hint}")
        if not form.fullmatch(value):
            raise refused(f"must be made of {holds}, got {shown(value)}")
        if len(value) > most:
            raise refused(f"must have at most {most} characters, got {len(value)}")
        return value

    return check


def one_of(*choices: str) -> Callable[[object], str]:
    """Return the check of a word out of *choices*."""

    def check(value: object) -> str:
        if value not in choices:
            meant = did_you_mean(value, choices) if isinstance(value, str) else ""
            raise refused(f"must be one of {', '.join(choices)}, got {shown(value)}{meant if 'mean' in meant else ''}")
        return str(value)

    return check


def some(noun: str) -> Callable[[object], object]:
    """Return the check of a list that is not empty; *noun* names its items."""

    def check(value: object) -> object:
        if isinstance(value, list | tuple):
            if value:
                return value
            raise refused(f"must have at least one {noun}, got none")
        raise refused(f"must be a list, got {shown(value)}")

    return check


def flag(value: object) -> bool:
    """Read true or false, and nothing that only looks like it."""
    if isinstance(value, bool):
        return value
    raise refused(f"must be true or false, got {shown(value)}")


def moment(value: object) -> datetime | None:
    """Read a time with its zone, or ``now``, which is None."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if value == "now":
        return None
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            found = None
        if found is not None and found.tzinfo is None and ":" in value:
            raise refused(f"must carry a zone like '{value.strip()}Z', got {shown(value)}")
        if found is not None and found.tzinfo is not None and 1971 <= found.year <= 2200:
            return found.astimezone(UTC)
    raise refused(f"must be a time like '2026-03-02T06:00:00Z', or now, got {shown(value)}")


def instant(value: object) -> datetime:
    """Read a time with its zone."""
    found = moment(value)
    if found is None:
        raise refused("must be a time like '2026-03-02T14:00:00Z', got 'now'")
    return found


def _second(text: str) -> int | None:
    match = CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    total = hour * 3600 + minute * 60 + second
    return total if minute < 60 and second < 60 and total <= DAY_S else None


def hours(value: object) -> Hours:
    """Read a span of the day like ``06:00-14:00``; one that ends before it starts crosses midnight."""
    if isinstance(value, Hours):
        return value
    parts = value.split("-") if isinstance(value, str) else []
    edges = [_second(part) for part in parts]
    if len(edges) != 2 or edges[0] is None or edges[1] is None or edges[0] == DAY_S:
        raise refused(f"must be a span of the day like '06:00-14:00', got {shown(value)}")
    start, stop = edges[0], edges[1]
    if start == stop:
        raise refused(f"must start and stop at different times, got {shown(value)}")
    return Hours(start, stop if stop > start else stop + DAY_S)


def day(value: object) -> int:
    """Read a day of the week; Monday is 0."""
    if isinstance(value, str) and value.lower() in DAYS:
        return DAYS.index(value.lower())
    meant = did_you_mean(value, DAYS) if isinstance(value, str) else ""
    raise refused(f"must be one of {', '.join(DAYS)}, got {shown(value)}{meant if 'mean' in meant else ''}")


def topic(value: object) -> str:
    """Read a topic name, or a template of one with ``{site}``, ``{area}``, ``{line}`` and ``{kind}``."""
    if not isinstance(value, str):
        raise refused(f"must be a topic name, got {shown(value)}")
    plain = value
    for name in PLACEHOLDERS:
        plain = plain.replace("{" + name + "}", "x")
    if "{" in plain or "}" in plain:
        raise refused(f"may use {{site}}, {{area}}, {{line}} and {{kind}} only, got {shown(value)}")
    if trouble := topic_trouble(plain):
        raise refused(f"{trouble}, got {shown(value)}")
    return value


def topic_trouble(name: str) -> str:
    """Say what Kafka would refuse in the topic *name*; empty for a legal one."""
    if not TOPIC.fullmatch(name):
        return "must be made of letters, digits, '.', '_' and '-'"
    if name in (".", ".."):
        return "must be more than dots"
    if len(name) > TOPIC_MAX:
        return f"must have at most {TOPIC_MAX} characters"
    return ""


def _text(title: str, pattern: str = "", *examples: Any) -> WithJsonSchema:
    form: dict[str, Any] = {"type": "string", "title": title}
    if pattern:
        form["pattern"] = f"^{pattern}$"
    if examples:
        form["examples"] = list(examples)
    return WithJsonSchema(form)


_LOWER, _MIXED, _ID = "[a-z0-9-]+", "[A-Za-z0-9-]+", "[A-Za-z0-9._-]+"
_SNAKE = "[a-z][a-z0-9_]*"

Name = Annotated[str, BeforeValidator(matching(_LOWER, "lower case letters, digits and '-'")), _text("Name", _LOWER)]
LineName = Annotated[str, BeforeValidator(matching(_MIXED, "letters, digits and '-'")), _text("Name", _MIXED)]
Identifier = Annotated[str, BeforeValidator(matching(_ID, "letters, digits, '.', '_' and '-'")), _text("Id", _ID)]
Term = Annotated[
    str,
    BeforeValidator(matching(_SNAKE, "lower case letters, digits and '_', a letter first")),
    _text("Name", _SNAKE),
]
Topic = Annotated[str, BeforeValidator(topic), _text("Topic", "", "factory.readings", "factory.{line}")]
Moment = Annotated[datetime | None, BeforeValidator(moment), _text("Time, or now", "", "now", "2026-03-02T06:00:00Z")]
Instant = Annotated[datetime, BeforeValidator(instant), _text("Time", "", "2026-03-02T14:00:00Z")]
DayHours = Annotated[Hours, BeforeValidator(hours), _text("Span of the day", "", "06:00-14:00")]
Day = Annotated[int, BeforeValidator(day), WithJsonSchema({"type": "string", "title": "Day", "enum": list(DAYS)})]


def whole_schema(least: int, most: int) -> WithJsonSchema:
    """Return the JSON Schema of a whole number between *least* and *most*."""
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


def choice_schema(*choices: str) -> WithJsonSchema:
    """Return the JSON Schema of one word out of *choices*."""
    return WithJsonSchema({"type": "string", "enum": list(choices)})


def counted(noun: str, least: int, most: int) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return the check and the schema of a whole number of something, from *least* to *most*."""
    return BeforeValidator(whole(noun, least=least, most=most)), whole_schema(least, most)
