"""What a reading's value consists of, part after part: the result of walking its schema once.

A part is bytes that never change, a text of the machine, or a column. The encoders of whole columns (rows, pieces)
know parts and nothing of schemas, so every flat schema whose fields are filled by these gets them. `walk` makes
programs of schemas.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fleet.data import Equipment, Quality, Sensor
from fleet.encode.varint import varint

MACHINE_TEXTS = ("machine", "kind", "line", "area", "site")
PATH = "path"
"""A text of the machine beside those: its place in the plant, from the site down, as the path of a URI."""

SERIAL_DIGITS = 15
"""A thousand readings a second have fewer digits for thirty thousand years."""
QUALITIES = tuple(quality.name for quality in Quality)


def text(value: str) -> bytes:
    """Write *value* as Avro does: its length, its UTF-8 bytes."""
    data = value.encode()
    return varint(len(data)) + data


def quoted(value: str) -> bytes:
    """Write *value* as JSON does."""
    return json.dumps(value, ensure_ascii=False).encode()


def plain(value: str) -> bytes:
    """Write *value* as it is."""
    return value.encode()


def bare(_: int) -> bytes:
    """Write nothing in front of a text, however long it is."""
    return b""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Bytes that are the same in every record."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SensorText:
    """A text of the sensor, ``sensor`` or ``units``, and how it is written."""

    source: str
    write: Callable[[str], bytes] = text

    def of(self, sensor: Sensor) -> bytes:
        """Write the text of *sensor*."""
        return self.write(sensor.name if self.source == "sensor" else sensor.units)


@dataclass(frozen=True, slots=True)
class SensorJson:
    """What a JSON text says of the sensor, up to its value."""

    def of(self, sensor: Sensor) -> bytes:
        """Write name and units of *sensor*."""
        name, units = (json.dumps(each, ensure_ascii=False) for each in (sensor.name, sensor.units))
        return f',"sensor":{name},"units":{units},"value":'.encode()


@dataclass(frozen=True, slots=True)
class MachineText:
    """A text of the machine, one of MACHINE_TEXTS or its PATH; *prefix* gives what stands in front of so many bytes."""

    source: str
    prefix: Callable[[int], bytes] = varint


@dataclass(frozen=True, slots=True)
class Long:
    """A zigzag varint: ``timestamp``, counted in steps of *step_us*, or ``seq``."""

    source: str
    step_us: int = 1


@dataclass(frozen=True, slots=True)
class Real:
    """The value, as a little-endian double or float."""

    bytes: int  # 8 or 4


@dataclass(frozen=True, slots=True)
class Symbol:
    """The quality as one byte; *codes* has it for each of our three."""

    codes: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Decimal:
    """The value as decimal text."""


@dataclass(frozen=True, slots=True)
class Digits:
    """The number as decimal text."""


@dataclass(frozen=True, slots=True)
class Instant:
    """The time stamp, rounded down to *step_us*, as RFC 3339 text without its Z: always as long."""

    step_us: int = 1


@dataclass(frozen=True, slots=True)
class Serial:
    """The number as decimal text of SERIAL_DIGITS, zeros in front: always as long, and in order as text, too."""


@dataclass(frozen=True, slots=True)
class SymbolText:
    """The quality as one of three texts."""

    texts: tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Written:
    """A *field* of any type that the Avro library writes, record by record; *schema* is its type as JSON text.

    *unit* is the logical type of an instant.
    """

    source: str
    field: str
    schema: str
    unit: str = ""


Number = Decimal | Digits | SymbolText
"""Parts that are text of any length: only pieces can be made of them."""

Part = Number | Instant | Serial | SensorJson | Fixed | SensorText | MachineText | Long | Real | Symbol | Written
Program = tuple[Part, ...]


def machine_name(machine: Equipment, source: str) -> bytes:
    """Give a text of *machine*, without its length."""
    if source == PATH:  # of letters, digits and '-', '.', '_': nothing to escape; two slashes would begin a host's name
        levels = (machine.site, machine.area, machine.line, machine.id)
        return "".join(f"/{level}" for level in levels if level).encode()
    return (machine.id if source == "machine" else str(getattr(machine, source))).encode()


def serial(number: int) -> str:
    """Write one *number* as `Serial` does."""
    return f"{number:0{SERIAL_DIGITS}}"


MOST_BYTES: Mapping[type[Part], int] = {
    Long: 10, Real: 8, Symbol: 1, Decimal: 25, Digits: 19, Instant: 26, Serial: SERIAL_DIGITS,
}  # fmt: skip
"""Most bytes of a part that is a column."""


def width_of(part: Part) -> int:
    """Give the bytes of a *part* that has as many in all records."""
    assert isinstance(part, Fixed | Instant | Serial), "of no other part that is known before there is a record"
    return len(part.data) if isinstance(part, Fixed) else MOST_BYTES[type(part)]


def most_bytes(part: Part, sensor: Sensor) -> int:
    """Give the most bytes that *part* takes in a record of *sensor*, machines' texts left out."""
    if isinstance(part, Fixed):
        return len(part.data)
    if isinstance(part, SensorText | SensorJson):
        return len(part.of(sensor))
    if isinstance(part, SymbolText):
        return max(map(len, part.texts))
    return 3 if isinstance(part, MachineText) else MOST_BYTES[type(part)]


def json_program(*, numbered: bool, renamed: bool = False) -> Program:
    """Give the program of a reading as JSON text; *numbered* with time stamp, number and quality.

    *renamed*: with the machine's id under its second name as well.
    """
    head = (Fixed(b'{"machine":"'), MachineText("machine", prefix=bare), Fixed(b'"'), SensorJson(), Decimal())
    if not numbered:
        return (*head, Fixed(b"}"))
    end = "" if renamed else "}"
    good, uncertain, bad = (f',"quality":"{quality}"{end}'.encode() for quality in QUALITIES)
    stamp = (Fixed(b',"timestamp":"'), Instant(), Fixed(b'Z","seq":'))
    whole = (*head, *stamp, Digits(), SymbolText((good, uncertain, bad)))
    if not renamed:
        return whole
    return (*whole, Fixed(b',"machine_id":"'), MachineText("machine", prefix=bare), Fixed(b'"}'))


def joined(parts: Sequence[Part]) -> Program:
    """Join neighbouring fixed bytes."""
    out: list[Part] = []
    for part in parts:
        if out and isinstance(part, Fixed) and isinstance(out[-1], Fixed):
            out[-1] = Fixed(out[-1].data + part.data)
        else:
            out.append(part)
    return tuple(out)


def packable(program: Program) -> bool:
    """Say whether whole columns can be encoded by *program*."""
    return not any(isinstance(part, Written) for part in program)
