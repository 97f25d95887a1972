"""What must hold between the parts of a scenario: unique ids, known kinds, settings that fit.

Works on the values as they were read, so that its faults are found beside those of single fields;
it passes over whatever has another shape than it should: the model reports that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from fleet.scenario.fields import NAME_MAX, PLACEHOLDERS, moment, topic_trouble
from fleet.scenario.forms import Laws
from fleet.scenario.kind import Kind
from fleet.scenario.model import MACHINES_MAX
from fleet.scenario.quantities import RATE, quantity
from fleet.scenario.references import Fault, items, mapping
from fleet.scenario.settings import apply
from fleet.scenario.shifts import shift_faults
from fleet.scenario.streams import EventsTopic, ReadingsTopic
from fleet.scenario.upkeep import upkeep_faults
from fleet.scenario.wording import Path, misspelt, path_text, shortened, shown, unknown

TRUTH = "factory.truth"
MAIN_HALL = "main"
OWN_TOPICS = ("factory.runs", "factory.labels", TRUTH)
TOPICS_MAX = 10_000  # a template for each line of a large plant would drown a cluster


def kind_names(data: object) -> list[str]:
    """Return the kinds that the scenario *data* names."""
    return [entry["kind"] for _, entry in _entries(mapping(data)) if isinstance(entry.get("kind"), str)]


def scenario_faults(
    data: object, kinds: Mapping[str, Kind], known: Iterable[str], *, laws: Laws | None = None
) -> list[Fault]:
    """Return every fault between the parts of the scenario *data*; *known* names all kinds there are.

    With *laws*, what is set of a kind's parameters is held to their ranges.
    """
    scenario = mapping(data)
    found = [
        *_span(scenario),
        *_halls(scenario),
        *shift_faults(scenario),
        *_crews(scenario),
        *_kinds(scenario, kinds, list(known), laws),
        *upkeep_faults(scenario, kinds),
    ]
    if too_many := list(_size(scenario)):
        return [*found, *too_many]  # names are not made for a plant of any size
    return [*found, *_lines(scenario), *_ids(scenario), *_topics(scenario)]


def _entries(scenario: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for index, line in items(scenario.get("lines")):
        for number, entry in items(line.get("machines")):
            yield ("lines", index, "machines", number), entry


def count(value: object) -> int:
    """Return the count *value*, 1 for none or a wrong one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 1


def _span(scenario: dict[str, Any]) -> Iterator[Fault]:
    if "stop" not in scenario:
        return
    if scenario.get("duration") is not None:
        yield ("stop",), "must be absent where 'duration' is given"
    try:
        start, stop = moment(scenario.get("start", "now")), moment(scenario["stop"])
    except PydanticCustomError:
        return
    if start is None:
        yield ("stop",), "must come with a 'start' that is a time, not now"
    elif stop is not None and stop <= start:
        yield ("stop",), f"must be after the start, {shown(scenario['start'])}, got {shown(scenario['stop'])}"


def _halls(scenario: dict[str, Any]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, hall in items(scenario.get("halls")):
        name = hall.get("name")
        if isinstance(name, str) and name in seen:
            yield ("halls", index, "name"), f"must be unique, '{shortened(name)}' is used twice"
        elif isinstance(name, str):
            seen.add(name)
    for index, line in items(scenario.get("lines")):
        named = line.get("hall")
        if isinstance(named, str) and named not in {*seen, MAIN_HALL} and (meant := misspelt(named, seen)):
            words = f"unknown hall '{shortened(named)}'; did you mean '{meant}'? If not, list it under 'halls'"
            yield ("lines", index, "hall"), words


def _made(line: dict[str, Any]) -> list[str]:
    """Return the names of the lines that *line* makes; a wrong one makes none."""
    name, number = line.get("name"), line.get("count")
    if not isinstance(name, str) or len(name) > NAME_MAX:
        return []
    if number is None:
        return [name]
    return [f"{name}-{each:03d}" for each in range(1, count(number) + 1)]


def _lines(scenario: dict[str, Any]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, line in items(scenario.get("lines")):
        names = _made(line)
        twice = next((name for name in names if name in seen), None)
        if twice is not None:
            also = f"lines[{seen[twice]}] makes '{shortened(twice)}' too"
            yield ("lines", index, "name"), f"must be unique, {also}"
        seen.update(dict.fromkeys(names, index))


def _crews(scenario: dict[str, Any]) -> Iterator[Fault]:
    sizes: dict[str, object] = {}
    for index, line in items(scenario.get("lines")):
        crew = mapping(line.get("crew"))
        name, size = crew.get("name"), crew.get("size")
        if not isinstance(name, str) or not isinstance(size, int):
            continue
        if sizes.setdefault(name, size) != size:
            words = f"must be {shown(sizes[name])} as before for the crew '{shortened(name)}', got {shown(size)}"
            yield ("lines", index, "crew", "size"), words


def _size(scenario: dict[str, Any]) -> Iterator[Fault]:
    total = 0
    for index, line in items(scenario.get("lines")):
        each = sum(count(entry.get("count")) for _, entry in items(line.get("machines")))
        total += max(each, 1) * count(line.get("count"))
        if total > MACHINES_MAX:
            yield (
                ("lines", index),
                f"must leave at most {MACHINES_MAX:,} machines, this line makes it {total:,}",
            )
            return


def _kinds(scenario: dict[str, Any], kinds: Mapping[str, Kind], known: list[str], laws: Laws | None) -> Iterator[Fault]:
    for path, entry in _entries(scenario):
        name = entry.get("kind")
        if not isinstance(name, str):
            continue
        if name not in known:
            yield (*path, "kind"), f"{unknown('kind', name, known)}"
        elif name in kinds:
            yield from (((*path, *where), text) for where, text in _fit(kinds[name], entry, laws))


def _fit(kind: Kind, entry: dict[str, Any], laws: Laws | None) -> list[Fault]:
    rate = None
    try:
        if entry.get("rate") is not None:
            rate = quantity(entry["rate"], RATE)
    except PydanticCustomError:
        pass
    return apply(kind, mapping(entry.get("set")), rate=rate if rate and rate > 0 else None, laws=laws)[1]


def _ids(scenario: dict[str, Any]) -> Iterator[Fault]:
    """Yield ids that are used twice, those made by count among them."""
    made: dict[str, tuple[int, str]] = {}  # machines and place by what their ids begin with
    given: set[str] = set()
    lines: set[str] = set()
    for index, line in items(scenario.get("lines")):
        totals: dict[str, int] = {}
        for number, entry in items(line.get("machines")):
            path: Path = ("lines", index, "machines", number)
            if entry.get("id") is None:
                kind = str(entry.get("kind"))
                totals[kind] = totals.get(kind, 0) + count(entry.get("count"))
                continue
            yield from _own_id(path, line, entry, given)
        names = [name for name in _made(line) if name not in lines]  # a line twice is told by _lines
        lines.update(names)
        for kind, total in totals.items():
            twice = next((name for name in names if f"{name}-{kind}" in made), None)
            if twice is not None:
                also = made[f"{twice}-{kind}"][1]
                yield ("lines", index), f"must make unique ids, {also} makes '{twice}-{kind}-001' too"
            made.update((f"{name}-{kind}", (total, f"lines[{index}]")) for name in names)
    yield from _clashes(scenario, made)


def _own_id(path: Path, line: dict[str, Any], entry: dict[str, Any], given: set[str]) -> Iterator[Fault]:
    name = entry["id"]
    if line.get("count") is not None:
        yield (*path, "id"), "must be absent in a line with 'count': every line would have it"
    elif count(entry.get("count")) > 1:
        yield (*path, "id"), f"must be absent with count {entry['count']}, only one machine can have it"
    if isinstance(name, str) and name in given:
        yield (*path, "id"), f"must be unique, '{shortened(name)}' is used twice"
    elif isinstance(name, str):
        given.add(name)


def _clashes(scenario: dict[str, Any], made: Mapping[str, tuple[int, str]]) -> Iterator[Fault]:
    for path, entry in _entries(scenario):
        name = entry.get("id")
        if not isinstance(name, str):
            continue
        start, _, digits = name.rpartition("-")
        total, place = made.get(start, (0, ""))
        if _is_number(digits) and 1 <= int(digits) <= total:
            yield (*path, "id"), f"must be unique, {place} makes a machine of that id"


def _is_number(digits: str) -> bool:
    """Tell whether *digits* are a station's number as we write it: three digits, more only above 999."""
    return digits.isascii() and digits.isdecimal() and len(digits) < 8 and digits == f"{int(digits):03d}"


def _topics(scenario: dict[str, Any]) -> Iterator[Fault]:
    """Yield topics that are illegal once filled in, and settings of topics that nothing writes."""
    records = mapping(scenario.get("records"))
    names = {"default", *OWN_TOPICS}
    templates: dict[Path, object] = {
        ("records", "readings", "topic"): ReadingsTopic().topic,
        ("records", "events", "topic"): EventsTopic().topic,
    }
    for stream, part in records.items():
        if "topic" in mapping(part):
            templates[("records", stream, "topic")] = part["topic"]
        elif stream in {"doors", "truth"}:
            templates[("records", stream, "topic")] = f"factory.{stream}"
    taken = dict.fromkeys(OWN_TOPICS, "fleet itself")
    for path, template in templates.items():
        if not isinstance(template, str):
            continue
        filled = _filled(template, scenario)
        names |= filled
        if path[1] == "truth":
            taken.pop(TRUTH, None)  # it is reserved for just that
        yield from ((path, text) for text in _topic_troubles(template, filled, taken))
        taken |= dict.fromkeys(filled, path_text(path[:-1]))
    for name in mapping(scenario.get("topics")):
        if name not in names:
            yield ("topics", name), unknown("topic", name, sorted(names))


def _topic_troubles(template: str, filled: set[str], taken: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the topics *filled* that *template* stands for."""
    if len(filled) > TOPICS_MAX:
        yield f"must make at most {TOPICS_MAX:,} topics, makes {len(filled):,}"
    bad = next((name for name in sorted(filled, key=len) if topic_trouble(name)), None)
    if bad is not None and not topic_trouble(_plain(template)):
        yield f"{topic_trouble(bad)}, is '{shortened(bad)}' once filled in"
    twice = min(filled & taken.keys(), default=None)
    if twice is not None:
        yield f"must be a topic of its own, '{shortened(twice)}' is written by {taken[twice]}"


def _plain(template: str) -> str:
    for name in PLACEHOLDERS:
        template = template.replace("{" + name + "}", "x")
    return template


def _filled(template: str, scenario: dict[str, Any]) -> set[str]:
    """Return the topics that *template* stands for."""
    site = str(scenario.get("site", "site"))
    found: set[str] = set()
    for _, line in items(scenario.get("lines")):
        kinds = {str(entry.get("kind")) for _, entry in items(line.get("machines"))}
        names = _made(line) if "{line}" in template else [""]
        for kind in sorted(kinds) if "{kind}" in template else [""]:
            values = {"site": site, "area": str(line.get("area", "area")), "kind": kind}
            text = template
            for name, value in values.items():
                text = text.replace("{" + name + "}", value)
            found |= {text.replace("{line}", name) for name in names}
    return found or {template}
