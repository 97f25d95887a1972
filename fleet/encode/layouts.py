"""Which fields the records of a stream have, in which order, and which schema says so."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.scenario.avsc import STEPS_US


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one stream's records, in order, and the Avro schema file (empty: JSON only).

    In a layout of a user's own *text* is the schema's and *sources* says what fills each field (``machine``,
    ``=text``, nothing for its default); in one of ours each is filled by its namesake
    where *sources* are silent. *unit* is the logical type of
    instants; values are rounded to 32-bit floats where it is *narrow*, or to *scale* decimal digits.
    """

    name: str
    fields: tuple[str, ...]
    schema: str
    narrow: bool = False
    text: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    unit: str = "timestamp-micros"
    scale: int | None = None

    @property
    def own(self) -> bool:
        """Whether it is a user's own."""
        return bool(self.text)

    @property
    def names(self) -> dict[str, str]:
        """What of a reading a record says, and the field that says it: the first one, where several do."""
        return {source: name for name, source in reversed(self.filled.items())}

    @property
    def filled(self) -> dict[str, str]:
        """What fills each field."""
        return dict(self.sources) if self.sources else {name: name for name in self.fields}

    def schema_in(self, form: str) -> str:
        """Give the file of the schema that records in the format *form* have; empty where they have none."""
        return {"avro": self.schema, "protobuf": f"{self.schema.removesuffix('.avsc')}.proto"}.get(form, "")

    def carries(self, source: str) -> bool:
        """Whether a record says *source*: ``timestamp``, ``seq``, ``quality`` ..."""
        return source in self.names

    @property
    def step_us(self) -> int:
        """What instants are rounded down to."""
        return STEPS_US[self.unit]

    @property
    def numbered(self) -> bool:
        """Whether a record says its number."""
        return self.carries("seq")


READINGS_V1 = Layout("v1", ("machine", "sensor", "units", "value"), "machine-sensor.v1.avsc", narrow=True)
READINGS_V2 = Layout("v2", (*READINGS_V1.fields, "timestamp", "seq", "quality"), "machine-sensor.v2.avsc")
SECOND_NAME = "machine_id"
"""What the machine's id is called as well, as the last field of the layouts that have both names."""

READINGS_V3 = Layout(
    "v3",
    (*READINGS_V2.fields, SECOND_NAME),
    "machine-sensor.v3.avsc",
    sources=(*((name, name) for name in READINGS_V2.fields), (SECOND_NAME, "machine")),
)
"""The machine's id under two names, so that readers of either find it."""
EVENTS_V1 = Layout(
    "v1",
    ("machine", "line", "type", "state", "cause", "parts", "timestamp", "seq"),
    "machine-event.v1.avsc",
)
EVENTS_V2 = Layout("v2", (*EVENTS_V1.fields, "scrap", "product", "lot"), "machine-event.v2.avsc")
DOORS_V1 = Layout("v1", ("location", "state"), "")
RUNS_V1 = Layout(
    "v1",
    (
        "run", "type", "timestamp", "shard", "scenario", "scenario_digest", "seed", "start", "fleet_version",
        "numpy_version", "schema_ids", "topics", "account", "simulated", "entry", "exit",
    ),
    "run-record.v1.avsc",
)  # fmt: skip

LABELS_V1 = Layout(
    "v1",
    (
        "run", "id", "phase", "machine", "line", "incident", "family", "fault", "sensor", "onset", "stop", "failure",
        "severity", "lost", "doubled", "late", "reordered", "injected", "parameters", "part", "parts",
    ),
    "fault-label.v1.avsc",
)  # fmt: skip

TIMESTAMPS = frozenset({"timestamp", "start", "simulated"})  # fields that hold an instant, in any layout
LABEL_INSTANTS = ("onset", "stop", "failure")  # likewise, of a label alone; null where there is none
TELLING_LABELS = frozenset(LABELS_V1.fields)

LAYOUTS: dict[tuple[str, str], Layout] = {
    ("readings", "v1"): READINGS_V1,
    ("readings", "v2"): READINGS_V2,
    ("readings", "v3"): READINGS_V3,
    ("truth", "v1"): READINGS_V1,
    ("truth", "v2"): READINGS_V2,
    ("truth", "v3"): READINGS_V3,
    ("events", "v1"): EVENTS_V1,
    ("events", "v2"): EVENTS_V2,
    ("doors", "v1"): DOORS_V1,
    ("labels", "v1"): LABELS_V1,
    ("runs", "v1"): RUNS_V1,
}

OWN_SCHEMA_ID = 1000
"""What stands in front of records of a user's own schema where no registry hands out ids."""
