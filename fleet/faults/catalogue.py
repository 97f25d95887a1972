"""All faults by name, of all families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleet.faults.entry import Entry
from fleet.faults.machine import MACHINE_FAULTS
from fleet.faults.network import NETWORK_FAULTS, NetworkFault
from fleet.faults.producer import HOLDING_FAULTS, INCOMPATIBLE_SCHEMA, PRODUCER_FAULTS
from fleet.faults.sensor import SENSOR_FAULTS

MACHINE, SENSOR, NETWORK, PRODUCER = FAMILIES = ("machine", "sensor", "network", "producer")


class Listed(NamedTuple):
    """A fault as the catalogue lists it."""

    family: str
    entry: Entry


CATALOGUE: Mapping[str, Listed] = {
    **{name: Listed(MACHINE, entry) for name, (_, entry, _) in MACHINE_FAULTS.items()},
    **{name: Listed(SENSOR, entry) for name, (_, entry) in SENSOR_FAULTS.items()},
    **{name: Listed(NETWORK, entry) for name, (_, entry) in NETWORK_FAULTS.items()},
    **{name: Listed(PRODUCER, entry) for name, (_, entry) in PRODUCER_FAULTS.items()},
    **{name: Listed(PRODUCER, entry) for name, (_, entry) in HOLDING_FAULTS.items()},
    INCOMPATIBLE_SCHEMA[0]: Listed(PRODUCER, INCOMPATIBLE_SCHEMA[1]),
}

DEPLOYED = frozenset({INCOMPATIBLE_SCHEMA[0]})
"""Those that no incident brings about, but a step of the scenario's evolution."""

STRIKING: Mapping[str, Listed] = {name: each for name, each in CATALOGUE.items() if name not in DEPLOYED}
"""Those that an incident may bring about."""

TRANSPORT_FAULTS: Mapping[str, NetworkFault] = {
    name: function for table in (NETWORK_FAULTS, HOLDING_FAULTS) for name, (function, _) in table.items()
}
"""Those that change when scans leave and whether: of the network, and of the client that sends them."""
