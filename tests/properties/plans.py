"""Scenarios for Hypothesis: a few lines in which everything that couples or interrupts machines may occur."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SHORT = {
    "rig": {},
    "wreck": {},
    "pump": {"bearing_life": "50 s", "bearing_repair": "5 s"},
    "cnc-spindle": {"cycle_time": "9 s", "bearing_life": "60 s", "bearing_repair": "6 s"},
    "oven": {"cycle_time": "11 s", "element_life": "70 s", "element_repair": "4 s"},
    "door": {},
}
"""Settings with which the kinds fail and are repaired within a test's minute or two."""

PRODUCTS = (
    [{"name": "x", "lot": 3}],
    [{"name": "x", "lot": [1, 4], "level": 0.6}, {"name": "y", "lot": 2, "share": 2, "period": 1.4}],
)
MAINTENANCE = (
    None,
    None,
    {"policy": "age", "every": "15 s", "takes": "3 s", "leaves": 0.3},
    {"policy": "condition", "every": "7 s", "above": 0.3, "takes": "3 s", "parts": {"stock": 1, "lead": "9 s"}},
    {"leaves": 0.5, "parts": {"stock": 0, "lead": "5 s"}},
)

MAXIMUM_US = 90 * 1_000_000


@st.composite
def machine_entries(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["rig", "rig", "wreck", "wreck", "pump", "cnc-spindle", "oven", "door"]))
    entry: dict[str, Any] = {"kind": kind, "count": draw(st.integers(1, 3)), "set": SHORT[kind]}
    if kind != "door" and draw(st.booleans()):
        entry["rate"] = draw(st.sampled_from(["2/s", "10/s", "0.5/s", "0.07/s"]))
    return entry


@st.composite
def line_plans(draw: st.DrawFn, name: str) -> dict[str, Any]:
    line: dict[str, Any] = {"name": name, "machines": draw(st.lists(machine_entries(), min_size=1, max_size=3))}
    if draw(st.booleans()):
        line["buffer"] = draw(st.sampled_from([2, 5, 8]))
    crew = draw(st.sampled_from([None, 1, 2, {"name": "all", "size": 1}]))
    if crew is not None:
        line["crew"] = crew
    if draw(st.integers(0, 3)) == 0:
        line["shifts"] = {"hours": ["06:00:20-06:01:05"], "breaks": ["06:00:40-06:00:45"]}
    if draw(st.booleans()):
        line["products"] = draw(st.sampled_from(PRODUCTS))
        line["changeover"] = {"lasts": "4 s"}
    maintenance = draw(st.sampled_from(MAINTENANCE))
    if maintenance is not None:
        line["maintenance"] = maintenance
    if draw(st.booleans()):
        line["hall"] = draw(st.sampled_from(["north", "south"]))
    if draw(st.integers(0, 3)) == 0:
        line["count"] = 2
    return line


def plans() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Draw the lines of a scenario."""
    return st.integers(1, 3).flatmap(lambda count: st.tuples(*(line_plans(f"l{k}") for k in range(count))).map(list))


cuts_us = st.lists(st.integers(1, MAXIMUM_US - 1), max_size=6, unique=True)
seeds = st.integers(0, 2**63 - 1)
