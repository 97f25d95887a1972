"""fleet: a simulated factory on Kafka.

    import fleet

    scenario = fleet.load("quickstart", settings=["start=2026-03-02T06:00:00Z"])
    for block in fleet.simulate(scenario):
        for columns in block.kinds:
            print(columns.kind, columns.value.mean())

What is named here is public; everything else may change without notice.
"""

from __future__ import annotations

# Not taken from typing, whose import takes longer than all else here: a Ctrl-C that comes before `__main__` has its
# handler in place is shown by Python, not by us.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from fleet.api import load, simulate
    from fleet.data import Block, Event, KindColumns, Quality, State
    from fleet.errors import FleetError, RequestError, RunError, ScenarioError
    from fleet.scenario.model import Scenario

_HOMES = {
    "load": "fleet.api",
    "simulate": "fleet.api",
    "Block": "fleet.data",
    "Event": "fleet.data",
    "KindColumns": "fleet.data",
    "Quality": "fleet.data",
    "State": "fleet.data",
    "FleetError": "fleet.errors",
    "RequestError": "fleet.errors",
    "RunError": "fleet.errors",
    "ScenarioError": "fleet.errors",
    "Scenario": "fleet.scenario.model",
}

__all__ = [
    "Block",
    "Event",
    "FleetError",
    "KindColumns",
    "Quality",
    "RequestError",
    "RunError",
    "Scenario",
    "ScenarioError",
    "State",
    "load",
    "simulate",
]


def __getattr__(name: str) -> object:
    """Import what is public when it is first used: ``fleet --help`` needs none of it."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'fleet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
