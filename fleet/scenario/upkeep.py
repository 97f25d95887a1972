"""What must hold between the parts of a line: its products, its maintenance, and the kinds of its machines.

As `checks` does, it works on the values as they were read and passes over what has another shape than it should.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from fleet.scenario.kind import Kind
from fleet.scenario.quantities import RATIO, quantity
from fleet.scenario.references import Fault, items, mapping
from fleet.scenario.wording import Path, shortened, unknown

POLICIES = ("run-to-failure", "age", "condition")
NEEDS = {"age": ("every",), "condition": ("every", "above")}
"""What a policy must say beside its name; to every other it is foreign."""


def upkeep_faults(scenario: dict[str, Any], kinds: Mapping[str, Kind]) -> Iterator[Fault]:
    """Yield every fault between the parts of the lines of *scenario*, whose kinds are *kinds*."""
    for index, line in items(scenario.get("lines")):
        path: Path = ("lines", index)
        entries = items(line.get("machines"))
        named = [entry["kind"] for _, entry in entries if isinstance(entry.get("kind"), str)]
        here = [kinds[name] for name in named if name in kinds]
        if len(here) == len(entries):  # else what is wrong with kinds is told, and may be the cause
            yield from _cycles(path, line, here)
        yield from _products(path, line)
        yield from _maintenance((*path, "maintenance"), line.get("maintenance"), here)
        for number, entry in entries:
            own = [kind for kind in here if kind.kind == entry.get("kind")]
            yield from _maintenance((*path, "machines", number, "maintenance"), entry.get("maintenance"), own)


def _cycles(path: Path, line: dict[str, Any], kinds: list[Kind]) -> Iterator[Fault]:
    if any(kind.cycle is not None for kind in kinds):
        return
    for key in ("products", "changeover", "scrap"):
        if line.get(key):
            yield (*path, key), "must be absent: no machine of the line has a cycle, so none makes parts"


def _products(path: Path, line: dict[str, Any]) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, product in items(line.get("products")):
        name = product.get("name")
        if isinstance(name, str) and name in seen:
            yield (*path, "products", number, "name"), f"must be unique, '{shortened(name)}' is used twice"
        elif isinstance(name, str):
            seen.add(name)
    if line.get("changeover") and not line.get("products"):
        yield (*path, "changeover"), "must be absent: the line has no 'products' to change between"


def _maintenance(path: Path, value: object, kinds: list[Kind]) -> Iterator[Fault]:
    maintenance = mapping(value)
    policy = maintenance.get("policy", "run-to-failure")
    for key in ("every", "above") if policy in POLICIES else ():  # an unknown one is told once, by the model
        needed = key in NEEDS.get(str(policy), ())
        if needed and key not in maintenance:
            yield (*path, key), f"must be given: the policy '{policy}' needs it"
        elif not needed and key in maintenance:
            yield (*path, key), f"must be absent: the policy '{policy}' knows no '{key}'"
    above, leaves = _share(maintenance.get("above")), _share(maintenance.get("leaves"))
    if above is not None and leaves is not None and leaves >= above:
        yield (
            (*path, "leaves"),
            f"must be below 'above', {above:g}, got {leaves:g}: it would have to be done again at once",
        )
    modes = {name for kind in kinds for name in kind.wear}
    listed = maintenance.get("modes")
    for number, mode in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(mode, str) and kinds and mode not in modes:
            yield (*path, "modes", number), unknown("failure mode", mode, sorted(modes))


def _share(value: object) -> float | None:
    try:
        return None if value is None else quantity(value, RATIO)
    except PydanticCustomError:
        return None
