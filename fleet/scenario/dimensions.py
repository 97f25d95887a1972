"""Whether the numbers of a kind are of the dimension, and in the range, that its laws want.

Every value of the graph of signals has a dimension where one can be known: a parameter's is that of its unit, a
drive's is a share, a law's is what its form says. A number without a unit may stand for anything where a law takes
anything, and is refused where it wants a dimension. Multiplying by such a number may turn one unit into another, so
what comes out is not known; everything else is held to. Ranges are those of numbers and parameters: what signals do is
not known before they are computed.

As `references` does, it works on the values as they were read and passes over what is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from fleet.scenario.forms import Form, Laws, Take, Terms
from fleet.scenario.quantities import DIFFERENCE, DIMENSIONS, DURATION, RATIO, TEMPERATURE, measure, split
from fleet.scenario.wording import Path, shortened, shown

Fault = tuple[Path, str]

SHARE_MAX = 2.0
"""A drive whose levels are within this is a share of something; one of larger levels may be a quantity."""

WARMTH = frozenset({TEMPERATURE.name, DIFFERENCE.name})

BUILT_IN = {
    "ambient": TEMPERATURE.name,
    "dew_point": TEMPERATURE.name,
    "level": RATIO.name,
    "unrest": RATIO.name,
    "phase": RATIO.name,
    "part_scatter": RATIO.name,
    "time": DURATION.name,
    "last_cycle": DURATION.name,
    "line_power": "power",
}
"""Dimensions of names that mean something in every kind; what is not here has none that we know."""

PREFIXES = {"ambient.": TEMPERATURE.name, "damage.": RATIO.name, "rising.": RATIO.name}


class Worth(NamedTuple):
    """What is known of a value: its *dimension*, or None; its *number* where it is one, as it was written, *text*.

    *bare*: it is written without a unit. *path* is where it is written.
    """

    dimension: str | None
    path: Path
    number: float | None = None
    text: object = None
    bare: bool = False

    @property
    def neutral(self) -> bool:
        """Whether it changes no dimension as a factor."""
        return self.dimension == RATIO.name and not (self.bare and abs(self.number or 0.0) != 1.0)


def dimension_faults(kind: Mapping[str, Any], laws: Laws) -> Iterator[Fault]:
    """Yield every number of *kind* that is not what the *laws* want, and every sensor whose unit is another."""
    known: dict[str, Worth] = {}
    for section, read in (("parameters", _parameter), ("nodes", _nothing), ("drives", _drive)):
        for name, part in _parts(kind, section):
            known[name] = read(name, part)
    for name, part in _parts(kind, "nodes"):
        known[name], found = _node(name, part, known)
        yield from found
    seen: set[Fault] = set()
    for name, part in _parts(kind, "signals"):
        law = part.get("law")
        form = laws.get(law) if isinstance(law, str) else None
        path: Path = ("signals", name)
        if form is None:
            known[name] = Worth(None, path)
            continue
        given = {
            argument: _worth(part[argument], (*path, argument), known) for argument in form.takes if argument in part
        }
        known[name], found = _signal(str(law), form, given, path)
        for fault in found:  # a parameter that several laws take is told of once
            if fault not in seen:
                seen.add(fault)
                yield fault
    for name, part in _parts(kind, "sensors"):
        signal = part.get("signal")
        if isinstance(signal, str) and signal in known and signal in (kind.get("signals") or {}):
            yield from _units(name, part.get("units"), signal, known[signal])


def range_faults(
    inputs: Mapping[str, Mapping[str, str | float]], values: Mapping[str, float], laws: Laws
) -> Iterator[tuple[str, str]]:
    """Yield the names of *values* of parameters that are out of a law's range, and what must hold.

    *inputs* are the arguments of each signal with its law as ``law``, as a kind has them.
    """
    for signal, given in inputs.items():
        law = str(given["law"])
        for argument, take in laws[law].takes.items() if law in laws else ():
            name = given.get(argument)
            if isinstance(name, str) and name in values and (trouble := take.trouble(values[name])):
                yield name, f"{trouble} as '{argument}' of {law} in signals.{signal}"


def _parts(kind: Mapping[str, Any], section: str) -> list[tuple[str, Mapping[str, Any]]]:
    parts = kind.get(section)
    found = parts.items() if isinstance(parts, dict) else ()
    return [(str(name), part if isinstance(part, dict) else {}) for name, part in found]


# ---- what is known of a value


def _number(value: object, path: Path) -> Worth:
    """Say what is known of a number with or without a unit."""
    try:
        found = measure(value)
    except PydanticCustomError:
        return Worth(None, path)
    parts = split(value)
    return Worth(found.dimension, path, found.value, value, bare=parts is not None and not parts[1])


def _parameter(name: str, part: Mapping[str, Any]) -> Worth:
    return _number(part.get("value"), ("parameters", name, "value"))


def _nothing(name: str, _: Mapping[str, Any]) -> Worth:
    return Worth(None, ("nodes", name))


def _drive(name: str, part: Mapping[str, Any]) -> Worth:
    """Take a drive of small levels as a share."""
    levels: list[object] = []
    for value in part.values():
        levels += (
            [point[1] for point in value if isinstance(point, list) and len(point) == 2]
            if isinstance(value, list)
            else [value]
        )
    numbers = [abs(each) for each in levels if isinstance(each, int | float)]
    return Worth(RATIO.name if max(numbers, default=0.0) <= SHARE_MAX else None, ("drives", name))


def _node(name: str, part: Mapping[str, Any], known: Mapping[str, Worth]) -> tuple[Worth, list[Fault]]:
    """Give what a slow node is: its gain, if its drive is a share."""
    path: Path = ("nodes", name)
    gain = _worth(part.get("gain"), (*path, "gain"), known)
    drive = known.get(str(part.get("drive")))
    if gain.dimension == TEMPERATURE.name:
        words = f"must be {DIFFERENCE.noun} like '{DIFFERENCE.example}', got {shown(gain.text)}: a node is a rise"
        return Worth(DIFFERENCE.name, path), [(gain.path, words)]
    if drive is None or drive.dimension != RATIO.name or gain.bare:
        return Worth(None, path), []
    return Worth(gain.dimension, path), []


def _worth(value: object, path: Path, known: Mapping[str, Worth]) -> Worth:
    """Say what is known of an input: a name, or a number."""
    if isinstance(value, str) and split(value) is None:
        name = value.strip()
        for prefix, dimension in PREFIXES.items():
            if name.startswith(prefix):
                return Worth(dimension, path)
        found = known.get(name)
        if found is None:
            return Worth(BUILT_IN.get(name), path)
        return found if found.number is not None else found._replace(path=path)
    return _number(value, path)


# ---- what a law makes of it


def _signal(law: str, form: Form, given: Mapping[str, Worth], path: Path) -> tuple[Worth, list[Fault]]:
    """Give what the law makes of what it is *given*, and what of that is wrong."""
    found: list[Fault] = []
    for argument, worth in given.items():
        take = form.takes[argument]
        words = _unlike(take, worth, given)
        if not words and worth.number is not None and (words := take.trouble(worth.number)):
            words = f"{words}, got {shown(worth.text)}"
        if words:
            must, _, got = words.rpartition(", got ")
            place = f"as '{argument}' of {law} in {path[0]}.{shortened(str(path[1]))}"
            found.append((worth.path, f"{must} {place}, got {got}" if must else f"{words} {place}"))
    if isinstance(form.gives, str):
        return Worth(form.gives or None, path), found
    if found:
        return Worth(None, path), found
    dimension, wrong = _sum(form.gives, given, path)
    return Worth(dimension, path), wrong


def _unlike(take: Take, worth: Worth, given: Mapping[str, Worth]) -> str:
    """Say why *worth* is not of the dimension that *take* wants; empty where it is, or none is known."""
    wanted = take.dimension
    if take.like and take.like in given and not given[take.like].bare:
        wanted = given[take.like].dimension or ""
    dimension = worth.dimension
    if take.plain:
        if dimension is None or dimension == RATIO.name:
            return ""
        return f"must be a number of {take.plain} without its unit, got {_named(worth)}"
    if not wanted or dimension is None:
        return ""
    want = DIMENSIONS[wanted]
    if worth.bare and wanted != RATIO.name:
        return "" if worth.number == 0 else f"must be {want.noun} like '{want.example}', got {shown(worth.text)}"
    if dimension == wanted or (worth.number is None and {dimension, wanted} <= WARMTH):
        return ""
    noun = "a share or a number without a unit" if wanted == RATIO.name else f"{want.noun} like '{want.example}'"
    return f"must be {noun}, got {_named(worth)}"


def _named(worth: Worth) -> str:
    """Show a value: as it was written, or what it is."""
    if worth.number is not None:
        return shown(worth.text)
    assert worth.dimension is not None, "asked of what has one"
    dimension = DIMENSIONS[worth.dimension]
    return dimension.noun + (f" in {dimension.unit}" if dimension.unit else "")


def _sum(terms: Terms, given: Mapping[str, Worth], path: Path) -> tuple[str | None, list[Fault]]:
    """Give the dimension of a sum of products, and the first term that is of another than those before."""
    total: str | None = None
    first = ""
    shares, shifted = True, False
    for term in terms:
        factors = [given[argument] for argument in term if argument in given]
        if any(each.bare and each.number == 0 for each in factors):
            continue
        dimension = _product(factors)
        shares = shares and dimension == RATIO.name
        shifted = shifted or dimension is None or all(each.bare for each in factors)
        if dimension in (None, RATIO.name):
            continue  # a plain number takes the unit of what it is added to
        if total is None or {total, dimension} <= WARMTH:
            total = TEMPERATURE.name if TEMPERATURE.name in (total, dimension) else dimension
            first = first or term[0]
        elif dimension != total:
            place = next((each for each in term if given[each].dimension == dimension), term[0])
            there, here = DIMENSIONS[total], DIMENSIONS[dimension]
            words = f"must be {there.noun} in {there.unit} as '{first}' is, got {here.noun} in {here.unit}"
            return None, [((*path, place), words)]
    if total == DIFFERENCE.name and shifted:  # ``plus: 22`` makes a temperature of a rise
        total = TEMPERATURE.name
    return total or (RATIO.name if shares else None), []


def _product(factors: list[Worth]) -> str | None:
    """Give the dimension of a product: that of the one factor that has one, if no bare number is with it."""
    rest = [each for each in factors if not each.neutral]
    if not rest:
        return RATIO.name
    if len(rest) > 1:
        return None
    return None if rest[0].bare else rest[0].dimension


# ---- what a sensor says


def _units(name: str, units: object, signal: str, worth: Worth) -> Iterator[Fault]:
    """Hold a sensor's unit to its signal's: readings are in the canonical unit of their dimension."""
    if not isinstance(units, str) or worth.dimension in (None, RATIO.name):
        return
    dimension = DIMENSIONS[worth.dimension]
    if dimension.units.get(units) == 1:
        return
    hint = "; a signal scaled by a number may be in another" if units in dimension.units else ""
    words = f"must be {dimension.unit} as the signal '{shortened(signal)}' is, {dimension.noun}, got {shown(units)}"
    yield ("sensors", name, "units"), words + hint
