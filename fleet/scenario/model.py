"""The model of a scenario: what a user may write, frozen and checked.

Durations are seconds, sizes bytes, temperatures degC; times are datetimes in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from fleet.errors import Problem
from fleet.scenario.evolution import SchemaStep
from fleet.scenario.fields import (
    Day,
    DayHours,
    Identifier,
    Instant,
    LineName,
    Model,
    Moment,
    Name,
    Term,
    choice_schema,
    counted,
    number,
    one_of,
    some,
    whole,
    whole_schema,
)
from fleet.scenario.incident import Incident
from fleet.scenario.own import OwnRecords
from fleet.scenario.quantities import (
    RATIO,
    Difference,
    Duration,
    DurationOrZero,
    Rate,
    Temperature,
    bounded,
    refused,
)
from fleet.scenario.streams import GIB, Records, TopicSettings
from fleet.scenario.wording import shown

MACHINES_MAX = 1_000_000
SEED_MAX = 2**63 - 1
BUFFER_MIN, BUFFER_MAX = 2, 10_000
LOT_MAX = 1_000_000
MICROSECONDS = 1_000_000


def _machines(value: object) -> int:
    if value == 0 and not isinstance(value, bool):
        raise refused("must have at least one machine, got 0")
    return whole("a number of machines", least=1, most=MACHINES_MAX)(value)


def _version(value: object) -> int:
    if value == 1 and not isinstance(value, bool):
        return 1
    raise refused(f"must be 1, the version of the format that this fleet reads, got {shown(value)}")


def _crew(value: object) -> object:
    if isinstance(value, dict | Crew):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return {"size": whole("the size of a crew", least=1, most=1000)(value)}
    raise refused(f"must be a size like 2, or {{name: maintenance, size: 2}}, got {shown(value)}")


def _lot(value: object) -> tuple[int, int]:
    check = whole("a number of parts", least=1, most=LOT_MAX)
    if not isinstance(value, list | tuple):
        size = check(value)
        return size, size
    if len(value) != 2:
        words = "must be a number of parts like 200, or the least and the most like [50, 500]"
        raise refused(f"{words}, got {shown(value)} of {len(value)}")
    least, most = check(value[0]), check(value[1])
    if least > most:
        raise refused(f"must have the least first and the most second like [{most}, {least}], got [{least}, {most}]")
    return least, most


def _settings(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise refused(f"must be a mapping like {{rated_current: 6 A}}, got {shown(value)}")


Policy = Annotated[
    str,
    BeforeValidator(one_of("run-to-failure", "age", "condition")),
    choice_schema("run-to-failure", "age", "condition"),
]
Lot = Annotated[
    tuple[int, int],
    BeforeValidator(_lot),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": LOT_MAX},
                {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
            ],
            "examples": [200, [50, 500]],
        }
    ),
]
Settings = Annotated[dict[str, Any], BeforeValidator(_settings)]


class Shifts(Model):
    """When work is done; all times are UTC. What is absent holds always."""

    hours: tuple[DayHours, ...] = Field(default=(), examples=[["06:00-14:00", "14:00-22:00"]])
    """The shifts of a day; one may cross midnight. Absent: the whole day."""
    breaks: tuple[DayHours, ...] = Field(default=(), examples=[["09:00-09:15"]])
    """Pauses inside the shifts."""
    handover: DurationOrZero = 0.0
    """How long work rests where one shift takes over from another, usually 5 to 10 min."""
    days: Annotated[tuple[Day, ...], BeforeValidator(some("day"))] = Field(
        default=(0, 1, 2, 3, 4, 5, 6), examples=[["mon", "tue"]], json_schema_extra={"minItems": 1}
    )
    """Days on which shifts begin. Absent: every day."""


class Hall(Model):
    """A hall whose air its machines share."""

    name: LineName
    """Lines name it in `hall`."""
    mean: Temperature = 22.0
    """Mean temperature over a year; 22 degC when absent."""
    daily: Difference = 3.0
    """Amplitude of the daily swing while the hall works, when its gates are open; 3 K when absent."""
    season: Difference = 6.0
    """Amplitude of the swing over a year; 6 K when absent."""
    work: Difference = 3.0
    """How much warmer it is when everybody has worked for long than when nobody has; 3 K when absent."""
    shifts: Shifts | None = None
    """When its machines work, for the warmth that they give. Absent: in the site's shifts; without any always."""


class Crew(Model):
    """People who repair: a shared crew with a *name*, or without one a crew of each line's own."""

    name: LineName | None = None
    """The same name in several lines is one crew, which makes them one island."""
    size: Annotated[int, *counted("the size of a crew", 1, 1000)]
    """How many machines it can repair at a time."""


class SpareParts(Model):
    """Spare parts on a shelf of the line's own, one for each kind and failure mode; each one used is ordered anew."""

    stock: Annotated[int, *counted("a number of parts", 0, 1000)] = 1
    """How many of each are on the shelf at the start."""
    lead: Duration = 259_200.0
    """Mean time from order to delivery (gamma); 3 days when absent."""
    spread: Annotated[float, BeforeValidator(bounded(RATIO, least=0.05, most=1))] = 0.5
    """Coefficient of variation of the lead time."""


class Maintenance(Model):
    """When what wears is renewed, and how well. A failure is always repaired."""

    policy: Policy = "run-to-failure"
    """Not before it fails; by age, each time so much running time has passed; by condition, where an inspection finds
    more damage than allowed. Planned work waits for the next long enough gap between shifts, if the line has shifts."""
    every: Duration | None = None
    """Running time between two planned works (age), or time between two inspections (condition)."""
    above: Annotated[float, BeforeValidator(bounded(RATIO, least=0.01, most=0.99))] | None = None
    """Damage above which an inspection has it renewed (condition)."""
    modes: Annotated[tuple[Term, ...], BeforeValidator(some("failure mode"))] | None = Field(
        default=None, examples=[["bearing"]], json_schema_extra={"minItems": 1}
    )
    """Failure modes of the kinds that it is about. Absent: all."""
    takes: Duration = 3600.0
    """Median of the time planned work takes; 1 h when absent. Repairs take what the kind says."""
    sigma: Annotated[float, BeforeValidator(number(least=0, most=3)), WithJsonSchema({"type": "number"})] = 0.3
    """Spread of that time: the standard deviation of its logarithm."""
    leaves: Annotated[float, BeforeValidator(bounded(RATIO, least=0, most=0.95))] = 0.0
    """Share of age and damage that repairs and planned work leave (Kijima's q); 0: as good as new."""
    parts: SpareParts | None = None
    """Spare parts that work needs. Absent: they are always there."""


class Product(Model):
    """What a line makes one of at a time, lot by lot."""

    name: LineName = Field(examples=["bracket"])
    """Its name, as events carry it."""
    share: Annotated[float, BeforeValidator(bounded(RATIO, above=0, most=1000))] = 1.0
    """How many of the lots are of it, against the shares of the others."""
    lot: Lot = (50, 500)
    """Parts in a lot, or the least and the most."""
    period: Annotated[float, BeforeValidator(bounded(RATIO, least=0.1, most=10))] = 1.0
    """Its cycle time against the machines' own."""
    level: Annotated[float, BeforeValidator(bounded(RATIO, least=0, most=2))] = 1.0
    """Its load against the usual setpoint, for drives that follow the setpoint."""


class Changeover(Model):
    """Setting a machine up for another product; it is idle meanwhile."""

    lasts: Duration = 1500.0
    """Median of its length; 25 min when absent."""
    sigma: Annotated[float, BeforeValidator(number(least=0, most=3)), WithJsonSchema({"type": "number"})] = 0.4
    """Spread of that time: the standard deviation of its logarithm."""


class Machines(Model):
    """Machines of one kind in a line, with the same settings."""

    kind: Name = Field(examples=["pump"])
    """The machines' kind, as `fleet kinds` lists them."""
    count: Annotated[int, BeforeValidator(_machines), whole_schema(1, MACHINES_MAX)] = 1
    """How many; their ids are LINE-KIND-001 and so on."""
    id: Identifier | None = None
    """A name of its own for a single machine."""
    set: Settings = Field(default_factory=dict, examples=[{"rated_current": "6 A", "vibration": {"period": "5 s"}}])
    """Parameters and sensors of the kind that these machines have differently."""
    rate: Rate | None = None
    """The controller's scan rate; the sensors keep their multiples of its period."""
    maintenance: Maintenance | None = None
    """How these machines are maintained. Absent: as the line is."""


class Line(Model):
    """A line of machines, or *count* lines alike."""

    name: LineName = Field(examples=["filling"])
    """The line's name, the first part of its machines' ids."""
    area: LineName = "area"
    """The area it stands in."""
    count: Annotated[int, *counted("a number of lines", 1, MACHINES_MAX)] | None = None
    """How many lines alike, NAME-001 and so on. Absent: one, of exactly that name."""
    hall: LineName = "main"
    """The hall whose air its machines feel."""
    crew: Annotated[Crew | None, BeforeValidator(_crew, json_schema_input_type=int | Crew | None)] = None
    """Who repairs: a size (a crew of its own for each line), or a shared crew. Absent: no waiting."""
    buffer: Annotated[int, *counted("a number of parts", BUFFER_MIN, BUFFER_MAX)] | None = None
    """Parts that fit between consecutive machines with a cycle. Absent: they are not chained."""
    shifts: Shifts | None = None
    """The line's own shifts. Absent: the site's."""
    products: tuple[Product, ...] = ()
    """What machines with a cycle make, lot by lot in an order drawn for the line. Absent: always the same."""
    changeover: Changeover = Changeover()
    """How machines are set up for another product."""
    scrap: Annotated[float, BeforeValidator(bounded(RATIO, least=0, most=0.5))] | None = None
    """Share of bad parts each machine with a cycle makes, taken out behind it. Absent: the kind's own."""
    maintenance: Maintenance | None = None
    """How the line's machines are maintained. Absent: run to failure, repaired as good as new."""
    machines: Annotated[tuple[Machines, ...], BeforeValidator(some("machine"))] = Field(
        json_schema_extra={"minItems": 1}
    )
    """The machines, in the order in which parts pass them."""


class Scenario(Model):
    """A plan of what a factory does and what it writes to Kafka."""

    fleet: Annotated[int, BeforeValidator(_version), WithJsonSchema({"const": 1})]
    """The version of this format."""
    name: Name = Field(examples=["bearing-wear"])
    """The scenario's name."""
    about: str = ""
    """What it shows, in a sentence."""
    seed: Annotated[int, *counted("a seed", 0, SEED_MAX)] | None = None
    """What all randomness is drawn from. Absent: drawn by the run and printed."""
    start: Moment = None
    """When simulated time begins: a time with its zone, or now."""
    duration: Duration | None = None
    """How long it lasts. Absent: until interrupted."""
    stop: Instant | None = None
    """When it ends, instead of a duration."""
    site: LineName = "site"
    """The site all lines stand on."""
    halls: tuple[Hall, ...] = ()
    """Halls that differ from the usual; others need not be listed."""
    shifts: Shifts | None = None
    """When work is done. Absent: round the clock."""
    lines: Annotated[tuple[Line, ...], BeforeValidator(some("line"))] = Field(json_schema_extra={"minItems": 1})
    """The lines and their machines."""
    incidents: tuple[Incident, ...] = ()
    """Scripted causes: what goes wrong, where and when."""
    records: Records = Records()
    """What is written where."""
    evolution: tuple[SchemaStep, ...] = ()
    """From when on which machines write their readings by another schema."""
    topics: dict[str, TopicSettings] = Field(
        default_factory=dict,
        examples=[{"default": {"partitions": 12, "replication": 1, "retention": "1 GiB"}}],
    )
    """Settings by topic name; `default` is for those not named."""

    _file: str = PrivateAttr(default="")
    _folder: str = PrivateAttr(default="")
    _own: OwnRecords | None = PrivateAttr(default=None)
    _own_steps: tuple[OwnRecords | None, ...] = PrivateAttr(default=())
    _step_places: tuple[Problem, ...] = PrivateAttr(default=())

    @property
    def own(self) -> OwnRecords | None:
        """The user's own layout of readings, as it was read beside the file; None for none."""
        return self._own

    @property
    def own_steps(self) -> tuple[OwnRecords | None, ...]:
        """The schemas that the steps of the evolution name by their files; None for a version of ours."""
        return self._own_steps or (None,) * len(self.evolution)

    @property
    def step_places(self) -> tuple[Problem, ...]:
        """Where the file says the schema of each step: problems that want a text."""
        return self._step_places or (Problem(self.file, 0, "evolution", ""),) * len(self.evolution)

    def without_incidents(self) -> Scenario:
        """Return the healthy twin: the same without anything scripted, so that nothing is refused either."""
        kept = [place for place, step in enumerate(self.evolution) if not step.refused]
        twin = self.model_copy(update={"incidents": (), "evolution": tuple(self.evolution[place] for place in kept)})
        twin._own_steps = tuple(self.own_steps[place] for place in kept)
        twin._step_places = tuple(self.step_places[place] for place in kept)
        return twin

    @property
    def file(self) -> str:
        """The file it was read from, as messages name it; empty for one made in code."""
        return self._file

    @property
    def folder(self) -> str:
        """The folder of that file, where kinds of its own may stand; empty for none."""
        return self._folder

    @property
    def start_us(self) -> int | None:
        """The start in microseconds since 1970; None for now."""
        return None if self.start is None else microseconds(self.start)

    def length_us(self, *, start_us: int) -> int | None:
        """Return how long a run that starts at *start_us* lasts; None for one without an end.

        Not above 0 where a *start_us* that is not the file's own lies behind ``stop``.
        """
        if self.duration is not None:
            return round(self.duration * MICROSECONDS)
        return None if self.stop is None else microseconds(self.stop) - start_us

    def topic_settings(self, name: str) -> TopicSettings:
        """Return the settings of topic *name*, each one given: its own, the default's, or ours."""
        found = {"partitions": 12, "replication": 1, "retention": GIB}
        for key in ("default", name):
            if key in self.topics:
                found |= self.topics[key].model_dump(exclude_none=True)
        return TopicSettings.model_construct(None, **found)


def microseconds(time: datetime) -> int:
    """Return *time*, which has a zone, in whole microseconds since 1970."""
    whole_s = int(time.replace(microsecond=0).timestamp())
    return whole_s * MICROSECONDS + time.microsecond
