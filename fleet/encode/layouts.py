"""Which fields the records of a stream have, in which order, and which schema says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one stream's records, in order, and the Avro schema file (empty: JSON only)."""

    name: str
    fields: tuple[str, ...]
    schema: str

    @property
    def narrow(self) -> bool:
        """Whether values are written as 32-bit floats."""
        return self.schema == "machine-sensor.v1.avsc"

    @property
    def numbered(self) -> bool:
        """Whether a record says its instant, number and quality."""
        return "seq" in self.fields


READINGS_V1 = Layout("v1", ("machine", "sensor", "units", "value"), "machine-sensor.v1.avsc")
READINGS_V2 = Layout("v2", (*READINGS_V1.fields, "timestamp", "seq", "quality"), "machine-sensor.v2.avsc")
EVENTS_V1 = Layout(
    "v1",
    ("machine", "line", "type", "state", "cause", "parts", "timestamp", "seq"),
    "machine-event.v1.avsc",
)
DOORS_V1 = Layout("v1", ("location", "state"), "")
RUNS_V1 = Layout(
    "v1",
    (
        "run", "type", "timestamp", "shard", "scenario", "scenario_digest", "seed", "start", "fleet_version",
        "numpy_version", "schema_ids", "topics", "account", "simulated", "entry", "exit",
    ),
    "run-record.v1.avsc",
)  # fmt: skip

TIMESTAMPS = frozenset({"timestamp", "start", "simulated"})  # fields that hold an instant, in any layout

LAYOUTS: dict[tuple[str, str], Layout] = {
    ("readings", "v1"): READINGS_V1,
    ("readings", "v2"): READINGS_V2,
    ("events", "v1"): EVENTS_V1,
    ("doors", "v1"): DOORS_V1,
    ("runs", "v1"): RUNS_V1,
}
