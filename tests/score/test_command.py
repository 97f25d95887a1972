"""`fleet score` as a person uses it, on a run in files: what is read, what is refused, what is drawn."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet.cli.app import app
from fleet.errors import FleetError
from fleet.scenario.times import moment
from tests.cli.commands import FLEET, Ended, environment, fleet, untroubled

START = "2026-03-02T06:00:00Z"
START_US = 1_772_431_200_000_000
PUMP, OTHER = "filling-pump-001", "filling-pump-002"


def label_line(run: str, number: int, machine: str, fault: str, onset_s: int, stop_s: int | None, **more: Any) -> str:
    """Write a label as ``fleet run`` does in JSON, as far as scoring reads it."""
    instants = {"onset": onset_s, "stop": stop_s, "failure": more.pop("failure_s", None)}
    fields = {
        "run": run, "id": f"{machine}-{number}", "phase": "OPEN" if stop_s is None else "CLOSED", "machine": machine,
        "line": "filling", "incident": "", "family": "MACHINE", "fault": fault, "sensor": "",
        **{name: None if at is None else moment(START_US + at * 1_000_000) for name, at in instants.items()}, **more,
    }  # fmt: skip
    return json.dumps(fields)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEET_KAFKA_BOOTSTRAP", raising=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run of two minutes: its readings, what ran, and labels written by hand."""
    folder = tmp_path_factory.mktemp("run")
    words = ["--to", "file:out.jsonl", "--speed", "max", "--for", "2min", "--start", START, "--json"]
    ended = fleet("run", "quickstart", *words, cwd=folder)
    assert ended.code == 0, ended.err
    run_id = json.loads(ended.out)["run"]
    lines = [
        label_line(run_id, 0, PUMP, "bearing_wear", 20, None),
        label_line(run_id, 0, PUMP, "bearing_wear", 20, 80, failure_s=70),  # of two records with one id the last holds
        label_line(run_id, 1, OTHER, "drift", 50, 60, family="SENSOR", sensor="flow"),
    ]
    (folder / "out.jsonl.labels.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "other.jsonl").write_text(label_line("another", 0, PUMP, "drift", 1, 2) + "\n")
    (folder / "run-id").write_text(run_id)
    return folder


def write_alerts(folder: Path, *rows: Mapping[str, Any] | str) -> None:
    (folder / "alerts.jsonl").write_text(
        "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    )


def score(*words: str, cwd: Path) -> Ended:
    """Carry ``fleet score`` out in this process: most of what it is told costs no second of start."""
    with chdir(cwd):
        done = CliRunner().invoke(app, ["score", *words])
    error = done.exception
    if error is None:
        return Ended(done.exit_code, done.stdout, done.stderr)
    assert isinstance(error, FleetError), error
    return Ended(error.exit_code, done.stdout, done.stderr + str(error))


def scored(folder: Path, *words: str) -> Any:
    tolerance = ["--tolerance", "after=10s,merge=30s"]
    ended = score("alerts.jsonl", "--from", "file:out.jsonl", "--json", *tolerance, *words, cwd=folder)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


FOUND = {"machine": PUMP, "time": "2026-03-02T06:00:50Z"}


def test_alerts_in_a_file_are_scored_against_the_files_beside_the_readings(run: Path) -> None:
    write_alerts(run, FOUND, {"machine": OTHER, "time": "2026-03-02T06:01:30Z", "unit": "its own affair"})

    data = scored(run)

    assert data["run"] == (run / "run-id").read_text()
    assert (data["start"], data["stop"], data["machines"]) == (START, "2026-03-02T06:02:00Z", 10)
    row = data["all"]
    assert (row["labels"], row["found"], row["false_alarms"], row["f1"]) == (2, 1, 1, 0.5)
    assert row["delay_s"] == {"median": 30, "p90": 30}
    assert row["ahead_of_failure_s"] == {"median": 20, "failures": 1}
    ill_s = (10 + 60 + 10) + (10 + 10 + 10)
    assert row["healthy_machine_days"] == pytest.approx((10 * 120 - ill_s) / 86400)


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T06:00:50Z", "2026-03-02T07:00:50+01:00", "2026-03-02 06:00:50", 1_772_431_250, 1_772_431_250.0,
        1_772_431_250_000, 1_772_431_250_000_000,
    ],
)  # fmt: skip
def test_a_time_may_be_written_in_several_ways(run: Path, time: object) -> None:
    write_alerts(run, {"machine": PUMP, "time": time})

    assert scored(run)["all"]["delay_s"]["median"] == 30


def test_alerts_may_come_on_standard_input(run: Path) -> None:
    words = ["score", "-", "--from", "file:out.jsonl", "--json"]

    done = subprocess.run(
        [FLEET, *words],
        cwd=run,
        env=environment(),
        input=json.dumps(FOUND),
        capture_output=True,
        text=True,
        check=False,
    )

    untroubled(Ended(done.returncode, done.stdout, done.stderr))
    assert json.loads(done.stdout)["all"]["found"] == 1


def test_labels_may_stand_alone(run: Path) -> None:
    write_alerts(run, FOUND)
    (run / "labels.jsonl").write_text((run / "out.jsonl.labels.jsonl").read_text())

    ended = score("alerts.jsonl", "--labels", "labels.jsonl", cwd=run)
    with_run = score("alerts.jsonl", "--labels", "labels.jsonl", "--from", "file:out.jsonl", cwd=run)

    assert (ended.code, with_run.code) == (0, 0), ended.err
    assert "which machines ran is not known" in ended.out
    assert "10 machines, 2026-03-02T06:00:00Z to 2026-03-02T06:02:00Z" in with_run.out


def test_no_alerts_are_a_detector_that_never_alarms(run: Path) -> None:
    write_alerts(run)

    ended = score("alerts.jsonl", "--from", "file:out.jsonl", cwd=run)

    assert ended.code == 0
    assert "alerts.jsonl: has no alerts about the run: it is scored as a detector that never alarms" in ended.lines
    (row,) = [line.split() for line in ended.out.splitlines() if line.startswith("all ")]
    assert row[1:7] == ["2", "0", "0", "-", "0.000", "0.000"]


def test_the_example_that_ends_the_help_runs(run: Path) -> None:
    write_alerts(run, FOUND)

    last = fleet("score", "--help").out.rstrip().splitlines()[-1].strip()
    ended = score(*shlex.split(last.removeprefix("Example: fleet score ")), cwd=run)

    assert ended.code == 0, ended.err
    assert (run / "score.png").exists()


@pytest.mark.parametrize("name", ["score.png", "score.svg"])
def test_the_picture_is_drawn(run: Path, tmp_path: Path, name: str) -> None:
    rows = [FOUND, {"machine": OTHER, "time": "2026-03-02T06:01:30Z"}]
    write_alerts(run, *({**row, "score": number} for number, row in enumerate(rows)))

    scored(run, "--picture", str(tmp_path / name))

    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x89PNG") if name.endswith("png") else b"1 of 2 labels found, 1 false alarm;" in data
    assert name.endswith("png") or b"best F1 0.5" in data


EARLY = "2026-03-01T06:00:50Z"
NAN = '{"machine": "filling-pump-001", "time": 1772431250, "score": NaN}'
OUTSIDE = "time: must lie within the run, 2026-03-02T06:00:00Z to 2026-03-02T06:02:00Z in simulated time"
TIME = "time: must be a time like '2026-03-02T06:00:00Z', or seconds, ms or us since 1970"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("no json", "must be a JSON object with machine and time, got 'no json'"),
        ("[1]", "must be a JSON object with machine and time, got '[1]'"),
        ({"machine": PUMP}, "must have a time, has none"),
        ({"machine": PUMP, "time": "soon"}, f"{TIME}, got 'soon'"),
        ({"machine": PUMP, "time": True}, f"{TIME}, got true"),
        ({"machine": PUMP, "time": -5}, f"{TIME}, got -5"),
        (
            {"machine": PUMP, "time": 1_772_431_250_000_000_000},
            f"{TIME}, got 1772431250000000000",
        ),
        (
            {"machine": PUMP, "time": EARLY},
            f"{OUTSIDE}, got {EARLY}",
        ),
        ({"time": START}, "must name its machine, has no 'machine'"),
        ({"machine": 7, "time": START}, "machine: must be text, got 7"),
        (
            {"machine": "filling-pump-0001", "time": START},
            "machine: must be one of the run's 10, got 'filling-pump-0001'; did you mean 'filling-pump-001'?",
        ),
        ({"machine": PUMP, "time": START, "sensor": 1}, "sensor: must be text, got 1"),
        ({"machine": PUMP, "time": START, "score": "high"}, "score: must be a finite number, got 'high'"),
        (NAN, "score: must be a finite number, got nan"),
        (
            {"machine": PUMP, "time": START, "score": 2},
            "score: must have none, as the first alert (alerts.jsonl:1) has none; got 2",
        ),
        ({"machine": PUMP, "time": START, "run": "another"}, "run: must be RUN, the run that is scored, got 'another'"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_alert_is_told_with_its_line_and_nothing_is_scored(
    run: Path, row: Mapping[str, Any] | str, says: str, tmp_path: Path
) -> None:
    write_alerts(run, FOUND, row)
    picture = tmp_path / "score.png"

    ended = score("alerts.jsonl", "--from", "file:out.jsonl", "--picture", str(picture), cwd=run)

    assert ended.code == 2
    assert ended.lines == [f"alerts.jsonl:2: {says.replace('RUN', (run / 'run-id').read_text())}"]
    assert not ended.out
    assert not picture.exists()


def test_of_very_many_wrong_rows_some_are_told(run: Path) -> None:
    write_alerts(run, *["nothing"] * 50)

    ended = fleet("score", "alerts.jsonl", "--from", "file:out.jsonl", cwd=run)

    assert ended.code == 2
    assert len(ended.lines) == 11
    assert ended.lines[-1] == "alerts.jsonl: and 40 more rows like these"


def test_a_fault_that_no_label_has_is_remarked_upon(run: Path) -> None:
    write_alerts(run, {**FOUND, "fault": "bearing_ware"})

    ended = score("alerts.jsonl", "--from", "file:out.jsonl", cwd=run)

    assert ended.code == 0
    words = "1 alerts name the fault 'bearing_ware', which no label has; did you mean 'bearing_wear'?"
    assert f"alerts.jsonl: {words}" in ended.lines


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.jsonl", "--from", "file:out.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        (
            ["factory.alerts", "--from", "file:out.jsonl"],
            "factory.alerts: cannot be read: No such file or directory; a topic is written topic:factory.alerts",
        ),
        (
            ["topic:a", "--from", "file:out.jsonl"],
            "topic:a: alerts in a topic need its Kafka: --from kafka://HOST:PORT",
        ),
        (["good.jsonl"], "--from: no broker named; use --from kafka://HOST:PORT or set FLEET_KAFKA_BOOTSTRAP"),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--labels", "other.jsonl"],
            "other.jsonl:1: run: must be labels of run RUN, found 'another'",
        ),
        (
            ["good.jsonl", "--labels", "other.jsonl", "--run", "RUN"],
            "other.jsonl: must have labels of run RUN, has those of another",
        ),
        (
            ["good.jsonl", "--labels", "empty.jsonl"],
            "empty.jsonl: must have labels, is empty; say what ran: --from file:PATH of its readings",
        ),
        (["good.jsonl", "--labels", "none.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        (
            ["good.jsonl", "--labels", "good.jsonl"],
            "good.jsonl:1: must be a label as fleet writes it: has no fault, id, onset, run",
        ),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--tolerance", "before=5"],
            "--tolerance: before: must be a duration like '6 min', got '5'",
        ),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--tolerance", "ahead=5s"],
            "--tolerance: unknown 'ahead'; it is like before=10s,after=5min,merge=10min",
        ),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--fault", "bearing_ware"],
            "--fault: no label of HEAD is bearing_ware; did you mean 'bearing_wear'?",
        ),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--ignore", "time"],
            "--ignore: must be sensor or fault, got 'time'",
        ),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--threshold", "2"],
            "--threshold: good.jsonl has no scores to hold against it",
        ),
        (
            ["good.jsonl", "--from", "file:out.jsonl", "--picture", "score.gif"],
            "--picture: must be a file that ends in .png or .svg, got 'score.gif'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_said_in_one_line(run: Path, words: list[str], says: str) -> None:
    (run / "good.jsonl").write_text(json.dumps(FOUND))
    (run / "empty.jsonl").write_text("")
    run_id = (run / "run-id").read_text()

    ended = score(*(word.replace("RUN", run_id) for word in words), cwd=run)

    assert ended.code == 2
    assert ended.lines == [says.replace("RUN", run_id).replace("HEAD", f"run {run_id} of quickstart, seed 11")]
    assert not ended.out


def test_labels_of_two_runs_ask_for_a_choice(run: Path) -> None:
    (run / "good.jsonl").write_text(json.dumps(FOUND))
    run_id = (run / "run-id").read_text()
    (run / "two.jsonl").write_text((run / "out.jsonl.labels.jsonl").read_text() + (run / "other.jsonl").read_text())

    ended = score("good.jsonl", "--labels", "two.jsonl", cwd=run)
    chosen = score("good.jsonl", "--labels", "two.jsonl", "--run", run_id, "--json", cwd=run)

    words = f"must be labels of one run, {run_id}, found 'another'; choose with --run"
    assert (ended.code, ended.lines) == (2, [f"two.jsonl:4: run: {words}"])
    assert json.loads(chosen.out)["all"]["labels"] == 2
