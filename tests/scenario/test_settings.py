"""What `set` changes beside parameters and sensors."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.scenario.kinds import kind_named
from fleet.scenario.settings import apply, with_settings


def test_nodes_and_rules_of_a_kind_can_be_set() -> None:
    pump = with_settings(kind_named("pump"), {"motor_warmth": {"tau": "50 min"}, "setpoint": {"from": "50 %"}})
    spindle = with_settings(kind_named("cnc-spindle"), {"micro_stop": {"lasts": "9 s"}, "cycle": {"jitter": "3 %"}})

    assert (pump.nodes["motor_warmth"].tau, pump.nodes["motor_warmth"].tau_at_rest) == (3000.0, 4800.0)
    assert pump.setpoint is not None
    assert (pump.setpoint.low, pump.setpoint.high) == (0.5, 1.0)
    assert spindle.micro_stop is not None
    assert (spindle.micro_stop.lasts, spindle.micro_stop.every) == (9.0, 1500.0)
    assert spindle.cycle is not None
    assert spindle.cycle.jitter == 0.03


def test_a_name_of_a_parameter_and_a_sensor_takes_what_belongs_to_each() -> None:
    kind = with_settings(kind_named("cnc-spindle"), {"coolant_pressure": {"value": "6 bar", "noise": 0.5}})

    assert kind.parameters["coolant_pressure"].value.value == 6.0
    assert kind.sensors["coolant_pressure"].noise == 0.5


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        ("pump", {"motor_warmth": 5}, "must be a mapping like {tau: 20 min}, got 5"),
        ("pump", {"motor_warmth": {"drive": "heat"}}, "unknown key 'drive'; known: tau, tau_at_rest, lag"),
        ("pump", {"motor_warmth": {"tau": "-1 s"}}, "must be above 0 s, got -1 s"),
        ("pump", {"setpoint": {"from": "90 %", "to": "60 %"}}, "must have 'from' at most 'to', got 0.9 and 0.6"),
        ("pump", {"micro_stop": {"every": "1 min"}}, "unknown parameter or sensor of pump 'micro_stop'"),
        ("oven", {"setpoint": {"every": "1 min"}}, "unknown key 'every'"),
    ],
)
def test_what_is_wrong_with_them_is_said(kind: str, settings: dict[str, Any], says: str) -> None:
    _, found = apply(kind_named(kind), settings)

    assert any(text.startswith(says) for _, text in found), found
