"""`fleet plot --twin`: every reading that is not as in the healthy twin is counted, once, under what did it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.data import SECOND_US, Label
from fleet.picture.compare import Changed
from fleet.picture.labels import count_of
from fleet.picture.plot import START_US
from fleet.picture.story import Span, tell
from fleet.picture.twin import differences, in_words, reached
from fleet.scenario.roster import Roster
from tests.cli.commands import fleet
from tests.picture.test_envelope import silent
from tests.sim.plants import line, roster_of

SECONDS = 600
SPAN = Span(seed=3, start_us=START_US, stop_us=START_US + SECONDS * SECOND_US, columns=40)
SENSORS = ["current", "flow"]


def pumps(**incident: object) -> Roster:
    """Two pumps on each of two lines, and one incident from the second minute on."""
    lines = [line("a", {"kind": "pump", "count": 2}), line("b", {"kind": "pump", "count": 2})]
    return roster_of(*lines, incidents=[{"id": "it", "at": "2 min", "for": "3 min", **incident}])


def rows_of(roster: Roster) -> dict[tuple[str, str], Changed]:
    return {(row.machine, row.sensor): row for row in differences(roster, SPAN, (), silent).rows}


def label_of(roster: Roster, place: int) -> Label:
    (told,) = tell(roster, SPAN, [place], silent)
    return next(label for label in told.labels if label.incident)


def test_a_bias_changes_its_sensor_by_its_size_and_nothing_else() -> None:
    rows = rows_of(pumps(machine="a-pump-002", sensor="current", fault="bias", size="0.5 A"))

    (row,) = rows.values()
    assert (row.machine, row.sensor, row.incident, row.fault) == ("a-pump-002", "current", "it", "bias")
    assert row.changed == row.touched == 180
    assert row.mean == pytest.approx(0.5, abs=0.001)
    assert row.most == pytest.approx(0.5, abs=0.011)  # a step of rounding
    assert START_US + 120 * SECOND_US <= row.first_us < START_US + 121 * SECOND_US
    assert START_US + 299 * SECOND_US <= row.last_us < START_US + 300 * SECOND_US


@pytest.mark.parametrize(
    ("fault", "said", "counted"),
    [
        ({"fault": "loss", "portion": "10 %"}, "lost", "lost"),
        ({"fault": "duplicate", "portion": "10 %"}, "doubled", "doubled"),
        ({"fault": "outage", "buffer": 1000, "catch_up": 20}, "lost", "lost"),
        ({"fault": "outage", "catch_up": 5, "at": "8 min"}, "lost", "lost"),  # the run ends before all is forwarded
    ],
)
def test_what_the_network_did_is_counted_as_the_labels_say(fault: dict[str, object], said: str, counted: str) -> None:
    roster = pumps(gateway="a", **fault)
    rows = rows_of(roster)

    for place, name in ((0, "a-pump-001"), (1, "a-pump-002")):
        total = sum(getattr(row, counted) for (machine, _), row in rows.items() if machine == name)
        assert total == count_of(getattr(label_of(roster, place), said)) > 0
    assert {machine for machine, _ in rows} == {"a-pump-001", "a-pump-002"}
    assert all(row.changed == row.withheld == row.added == 0 for row in rows.values())


def test_a_clock_changes_times_and_no_value() -> None:
    rows = rows_of(pumps(gateway="b", fault="clock_jump", step="1 h"))

    assert {machine for machine, _ in rows} == {"b-pump-001", "b-pump-002"}
    for row in rows.values():
        assert row.restamped == row.touched > 0


def test_readings_that_a_policy_withholds_are_not_lost() -> None:
    reports = {"current": {"period": "1 s", "deadband": 0.05, "heartbeat": "60 s"}}
    stuck = {"id": "it", "at": "2 min", "for": "3 min", "sensor": "current", "fault": "stuck"}
    roster = roster_of(line("a", {"kind": "pump", "set": reports}), incidents=[stuck])

    (row,) = rows_of(roster).values()

    assert row.lost == row.added == 0
    assert row.withheld > 20


def test_a_machine_fault_reaches_its_line_and_no_other() -> None:
    lines = [line(name, {"kind": "conveyor", "count": 3, "set": {"cycle_time": "5 s"}}, buffer=2) for name in "ab"]
    jam = {"id": "it", "at": "2 min", "machine": "a-conveyor-002", "fault": "jam", "for": "5 min"}
    roster = roster_of(*lines, incidents=[jam])

    rows = rows_of(roster)

    assert {machine for machine, _ in rows} == {f"a-conveyor-00{number}" for number in (1, 2, 3)}
    assert {row.incident for row in rows.values()} == {"it"}
    assert all(row.first_us >= START_US + 120 * SECOND_US for row in rows.values())
    own, behind = rows["a-conveyor-002", "belt_speed"], rows["a-conveyor-003", "belt_speed"]
    assert own.first_us < behind.first_us  # as late as the buffer allows
    assert [roster.machines[place].id for place in reached(roster)] == [
        f"a-conveyor-00{number}" for number in (1, 2, 3)
    ]


def test_of_faults_of_one_machine_each_has_its_own_sensor() -> None:
    lines = [line("a", {"kind": "pump"})]
    shakes = {"id": "shakes", "at": "1 min", "machine": "a-pump-001", "fault": "imbalance", "over": "1 min"}
    reads = {"id": "reads", "at": "3 min", "for": "2 min", "sensor": "vibration", "fault": "bias", "size": "1 mm/s"}
    found = differences(roster_of(*lines, incidents=[shakes, reads]), SPAN, (), silent).rows

    by_incident = {row.incident: row for row in found}
    assert set(by_incident) == {"shakes", "reads"}
    assert by_incident["reads"].changed == 120
    assert by_incident["shakes"].changed == pytest.approx(
        SECONDS - 60 - 120, abs=12
    )  # while it is small it rounds away


def test_the_table_has_no_column_in_which_nothing_stands() -> None:
    rows = differences(pumps(machine="a-pump-002", sensor="flow", fault="gain", by="10 %"), SPAN, (), silent).rows

    head, line_ = in_words(rows).splitlines()

    assert head.split("  ")[0] == "machine"
    assert "largest sigma" in head
    assert not {"lost", "late", "doubled"} & set(head.split())
    assert "a-pump-002" in line_
    assert "m³/h" in line_


def test_the_command_writes_the_table_and_the_picture(tmp_path: Path) -> None:
    done = fleet("plot", "loose-contacts", "--twin", "--json", "--for", "65min", "--out", "twin.html", cwd=tmp_path)

    rows = json.loads(done.out)
    page = (tmp_path / "twin.html").read_text()
    assert done.code == 0
    assert [(row["machine"], row["fault"]) for row in rows] == [("test-pump-001", "bias"), ("test-pump-002", "drift")]
    assert rows[0]["changed"] == 1800
    for words in ("test-pump-001", "difference, A", "without incidents", "What the incidents changed, UTC."):
        assert words in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("quickstart", "--twin"), "--twin: quickstart has no incidents: it is its own twin"),
        (("quickstart", "--json"), "--json: goes with --twin, whose table it writes"),
        (
            ("loose-contacts", "--twin", "--machine", "test-pump-008", "--for", "10min"),
            "--twin: nothing differs on test-pump-008 in this span",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    ended = fleet("plot", *words, cwd=tmp_path)

    assert ended.code == 2
    assert ended.lines == [says]
