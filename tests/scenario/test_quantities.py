from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from fleet.scenario.quantities import DIMENSIONS, DURATION, RATIO, bounded, measure, quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("22 A", "current", 22),
        ("22A", "current", 22),
        ("150 mA", "current", 0.15),
        ("6 min", "duration", 360),
        ("1.5 h", "duration", 5400),
        ("8h", "duration", 28800),
        ("20 ms", "duration", 0.02),
        ("10m", "duration", 600),
        ("500/s", "rate", 500),
        ("500 /s", "rate", 500),
        ("2 kHz", "rate", 2000),
        ("8 %", "ratio", 0.08),
        ("8%", "ratio", 0.08),
        (0.08, "ratio", 0.08),
        (1, "ratio", 1),
        ("2950 rpm", "rotation", 2950),
        ("3 K", "difference", 3),
        ("22 degC", "temperature", 22),
        ("-22 °C", "temperature", -22),
        ("4 bar", "pressure", 4),
        ("400 kPa", "pressure", 4),
        ("1 GiB", "bytes", 2**30),
        ("1 GB", "bytes", 10**9),
        ("0.5 mm/s", "vibration", 0.5),
        ("1.2 m/s", "speed", 1.2),
        ("12 kW", "power", 12),
        ("30 m3/h", "flow", 30),
        ("10 l/min", "flow", 0.6),
        ("400 V", "voltage", 400),
        ("5 kN", "force", 5),
        ("80 mm", "length", 80),
        ("2 m", "length", 2000),
        ("45 %RH", "humidity", 45),
        ("1e3 A", "current", 1000),
        ("+.5 A", "current", 0.5),
    ],
)
def test_a_quantity_becomes_a_number_in_the_canonical_unit(text: object, dimension: str, value: float) -> None:
    assert quantity(text, DIMENSIONS[dimension]) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("found", "dimension", "words"),
    [
        ("22 bar", "current", "must be a current like '22 A', got '22 bar'"),
        (22, "current", "must be a current like '22 A', got 22"),
        ("22", "current", "must be a current like '22 A', got '22'"),
        ("22 a", "current", "must be a current like '22 A', got '22 a'"),
        ("A", "current", "must be a current like '22 A', got 'A'"),
        ("1,5 h", "duration", "must be a duration like '6 min', got '1,5 h'"),
        ("22 degC", "difference", "must be a temperature difference like '3 K', got '22 degC'"),
        ("22 K", "temperature", "must be a temperature like '22 degC', got '22 K'"),
        ("1e999 A", "current", "must be a current like '22 A', got '1e999 A'"),
        (True, "ratio", "must be a share like '8 %', got true"),
        (None, "ratio", "must be a share like '8 %', got nothing"),
        ([], "ratio", "must be a share like '8 %', got a list"),
        ({}, "duration", "must be a duration like '6 min', got a mapping"),
        (10**400, "ratio", "must be a share like '8 %', got " + "1" + "0" * 56 + "..."),
        (math.nan, "ratio", "must be a share like '8 %', got nan"),
    ],
)
def test_a_wrong_quantity_is_told_what_must_hold(found: object, dimension: str, words: str) -> None:
    with pytest.raises(PydanticCustomError) as error:
        quantity(found, DIMENSIONS[dimension])

    assert error.value.message() == words


def test_a_bound_names_itself_with_its_unit_and_what_was_found() -> None:
    for value, words in [("-5 s", "must be above 0 s, got -5 s"), ("2 h", "must be at most 3600 s, got 2 h")]:
        with pytest.raises(PydanticCustomError) as error:
            bounded(DURATION, above=0, most=3600)(value)

        assert error.value.message() == words


def test_a_measure_finds_its_dimension_by_its_unit() -> None:
    assert measure("22 A") == (22, "current")
    assert measure("6 min") == (360, "duration")
    assert measure("2 m") == (2000, "length")
    assert measure(1.6) == (1.6, "ratio")


def test_an_unknown_unit_gets_the_nearest_one() -> None:
    with pytest.raises(PydanticCustomError) as error:
        measure("3 mbr")

    assert error.value.message() == "unknown unit in '3 mbr'; did you mean 'mbar'?"


@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_no_value_gives_anything_but_a_finite_number_or_our_error(value: object) -> None:
    for dimension in (DURATION, RATIO):
        try:
            number = quantity(value, dimension)
        except PydanticCustomError:
            number = 0.0

        assert math.isfinite(number)
