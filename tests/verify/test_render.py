"""Records as lines: readable in colour and without, and whatever a record holds, a line comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import SeqSpan
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.labels import label_fields
from fleet.verify.render import LINES, Tailed
from fleet.verify.tail import TailOptions, wanted
from tests.encode.blocks import label, machine
from tests.verify.logs import READINGS, START_US

READING = {
    "machine": "filling-pump-001", "sensor": "vibration", "units": "mm/s", "value": 2.31,
    "timestamp": START_US + 1_234_567, "seq": 5, "quality": "UNCERTAIN",
}  # fmt: skip
EVENT = {
    "machine": "filling-pump-001", "line": "filling", "type": "state", "state": "execute", "cause": "", "parts": 0,
    "timestamp": START_US, "seq": 0,
}  # fmt: skip


def read(fields: dict[str, Any] | None, problem: str = "", *, key: str = "filling-pump-001") -> Tailed:
    return Tailed(READINGS, 3, 1234, START_US // 1000, key, fields, problem)


def test_a_reading_is_one_line_of_time_machine_sensor_value_units_and_quality() -> None:
    words = LINES["text"]()(read(READING)).split()

    assert words == ["2026-03-02", "06:00:01.234", "filling-pump-001", "vibration", "2.31", "mm/s", "uncertain"]


def test_a_reading_without_a_time_of_its_own_has_the_records() -> None:
    short = {name: READING[name] for name in ("machine", "sensor", "units", "value")}

    assert LINES["text"]()(read(short)).startswith("2026-03-02 06:00:00.000")


def test_a_reading_whose_writer_did_not_say_when_has_the_records_time() -> None:
    resolved = READING | {"timestamp": 0, "seq": -1}  # version 1 as a later one reads it

    assert LINES["text"]()(read(resolved)).startswith("2026-03-02 06:00:00.000")


def test_a_change_of_state_says_what_it_was_before_and_why() -> None:
    line = LINES["text"]()
    line(read(EVENT))

    changed = line(read(EVENT | {"state": "aborted", "cause": "bearing"}))

    assert changed == "2026-03-02 06:00:00.000 filling-pump-001: execute -> aborted (bearing)"


def test_a_label_says_what_set_in_and_what_it_had_done_when_it_ended() -> None:
    who = machine("filling-pump-001")
    opened = label(who, 1)
    closed = replace(opened, stop_us=START_US + 9, lost=(SeqSpan(3, 4), SeqSpan(9, 2, 5)), late=(SeqSpan(20, 1),))

    lines = [LINES["text"]()(read(fields)) for each in (opened, closed) for fields in label_fields(each, run="r")]

    assert lines == [
        "2026-03-02 06:00:00.000 filling-pump-001: outage sets in (1)",
        "2026-03-02 06:00:00.000 filling-pump-001: outage has ended (1), since 2026-03-02 06:00:01.000, 6 lost, 1 late",
    ]


def test_colour_changes_nothing_but_the_colour() -> None:
    coloured = LINES["colour"]()(read(READING))

    assert "\x1b[" in coloured
    assert "filling-pump-001" in coloured


def test_what_cannot_be_decoded_is_shown_as_such() -> None:
    line = LINES["text"]()(read(None, "the value is empty"))

    assert line.endswith("factory.readings[3]@1234: filling-pump-001: undecodable: the value is empty")


def test_json_lines_of_what_cannot_be_decoded_say_where_it_is() -> None:
    line = json.loads(LINES["json"]()(read(None, "the value is empty")))

    assert (line["undecodable"], line["partition"], line["offset"]) == ("the value is empty", 3, 1234)


def test_a_value_that_is_no_number_is_null_in_json() -> None:
    line = json.loads(LINES["json"]()(read(READING | {"value": float("nan")})))

    assert line["value"] is None


def test_control_characters_do_not_reach_the_terminal() -> None:
    line = LINES["text"]()(read(READING | {"machine": "a\x1b[2Jb\n"}))

    assert "\x1b" not in line
    assert "\n" not in line


@given(
    value=st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from([*READING, *EVENT, "location", "run"]),
        st.none() | st.integers() | st.text(max_size=5) | st.floats(),
    ).map(lambda fields: json.dumps(fields).encode()),
    form=st.sampled_from(sorted(LINES)),
)
@pytest.mark.filterwarnings("ignore:no explicit representation of timezones")
def test_whatever_a_record_holds_becomes_one_line(value: bytes, form: str) -> None:
    try:
        record = read(Decoder().decode(value))
    except UndecodableError as error:
        record = read(None, str(error))

    line = LINES[form]()(record)

    assert line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("machine", "sensor", "shown"),
    [
        ("*", "*", True),
        ("filling-*", "*", True),
        ("press-*", "*", False),
        ("*", "vib*", True),
        ("*", "power", False),
    ],
)
def test_globs_choose_machines_and_sensors(machine: str, sensor: str, shown: bool) -> None:
    assert wanted(read(READING), TailOptions(machine=machine, sensor=sensor)) is shown


def test_what_cannot_be_decoded_goes_by_its_key() -> None:
    assert wanted(read(None, "?"), TailOptions(machine="filling-*"))
    assert not wanted(read(None, "?"), TailOptions(machine="press-*"))
