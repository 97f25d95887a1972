"""Incidents without number are refused before they fill the memory, and what repeats leave behind adds up exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import ScenarioError
from tests.faults.plants import roster_of, simulated, twin

TEXT = """\
fleet: 1
name: bounds
seed: 7
start: 2026-03-02T06:00:00Z
duration: {duration}
lines: [{{name: filling, machines: [{{kind: pump, count: {count}}}, {{kind: door, id: gate}}]}}]
incidents: [{incident}]
"""


@pytest.mark.parametrize(
    ("incident", "count", "duration", "words"),
    [
        (
            "{at: 0 s, every: 10 s, repeat: 10000, fault: bias, for: 5 s}",
            1000,
            "30 h",
            r"incidents\[0\]\.fault: must be 1000000 faults in all at most, .* up to here \d+; name fewer of them",
        ),
        (
            "{at: 6 h, every: 10 s, fault: bias, for: 5 s}",
            2,
            "36 h",
            r"incidents\[0\]\.every: must be at least 10\.8 s, or come with 'repeat'",
        ),
        (
            "{at: 1 h, fault: imbalance, for: 1 h, noticed: 1 h}",
            2,
            "4 h",
            r"incidents\[0\]\.noticed: must be shorter than it lasts, 3600 s, got 3600 s",
        ),
        (
            "{when: gate is execute, machine: filling-pump-001, fault: imbalance}",
            2,
            "4 h",
            r"incidents\[0\]\.when: must wait for a machine that has states, 'gate' is a door",
        ),
    ],
)
def test_what_goes_beyond_bounds_is_refused_with_its_place(
    tmp_path: Path, incident: str, count: int, duration: str, words: str
) -> None:
    with pytest.raises(ScenarioError, match=words):
        roster_of(TEXT.format(incident=incident, count=count, duration=duration), tmp_path)


def test_an_incident_until_the_run_ends_may_fill_it(tmp_path: Path) -> None:
    text = TEXT.format(incident="{at: 0 s, every: 1 min, fault: bias, for: 5 s}", count=1, duration="10 min")

    assert roster_of(text, tmp_path).script.scripted[0].times == 10


def test_what_many_short_faults_leave_behind_does_not_depend_on_where_blocks_are_cut(tmp_path: Path) -> None:
    incident = "{at: 5 s, every: 10 s, repeat: 50, fault: overheating, factor: 8, for: 7 s, over: 1 s}"
    pumps = roster_of(TEXT.format(incident=incident, count=3, duration="30 min"), tmp_path)

    whole, parts = (simulated(pumps, seconds=1200, cuts=cuts) for cuts in ((1200,), (7, 61, 3)))

    assert parts.readings == whole.readings
    healthy = simulated(twin(pumps), seconds=1200)
    warmer = [one.value - other.value for one, other in zip(whole.readings, healthy.readings, strict=True)]
    assert max(warmer) > 1
    assert min(warmer) >= 0
