"""The example detectors on a pump whose bearing wears out twice, and on three that stay well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from fleet.broker.process import EmbeddedBroker
from fleet.scenario.load import scenario_names
from tests.cli.commands import fleet
from tests.score.detectors import DETECTORS, alerts_of, written
from tests.score.update import BEGIN, END, HEADS, PAGE

SCENARIO = Path(__file__).with_name("pumps.yaml")
WORN = "worn-pump"
PARTITIONS = 12  # the embedded broker keeps 5 MiB of each: enough for one machine, not for all


class Ran(NamedTuple):
    """The folder with the files of the run, and the broker that has the same."""

    folder: Path
    bootstrap: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("pumps")
    with EmbeddedBroker() as broker:
        topics = ("factory.readings", "factory.events", "factory.labels", "factory.alerts")
        bootstrap = broker.start({**dict.fromkeys(topics, PARTITIONS), "factory.runs": 1})
        words = ["--to", "file:out.jsonl", "--to", f"kafka://{bootstrap}", "--speed", "max"]
        ended = fleet("run", str(SCENARIO), *words, cwd=folder)
        assert ended.code == 0, ended.err
        yield Ran(folder, bootstrap)


@pytest.fixture(scope="module")
def alerts(ran: Ran) -> dict[str, list[dict[str, Any]]]:
    """Give what each detector says of the file."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda detector: alerts_of(detector, "out.jsonl", cwd=ran.folder), DETECTORS)
        return dict(zip(DETECTORS, found, strict=True))


def times_of(folder: Path, cause: str) -> list[datetime]:
    """Give when the worn pump changed its state for a *cause*."""
    events = [json.loads(line) for line in (folder / "out.jsonl.events.jsonl").read_text().splitlines()]
    return [datetime.fromisoformat(each["timestamp"]) for each in events if each["cause"] == cause]


@pytest.mark.parametrize("detector", DETECTORS)
def test_both_failures_are_foretold_and_nothing_else_is(
    ran: Ran, alerts: dict[str, list[dict[str, Any]]], detector: str
) -> None:
    failures, repairs = times_of(ran.folder, "bearing"), times_of(ran.folder, "repaired")

    times = [datetime.fromisoformat(alert["time"]) for alert in alerts[detector]]

    assert len(failures) == 2
    assert {alert["machine"] for alert in alerts[detector]} == {WORN}
    assert all(alert["score"] >= 1 for alert in alerts[detector])
    ahead = timedelta(hours=1)
    for failure in failures:
        assert any(failure - ahead < time < failure for time in times)
    assert all(any(failure - ahead < time < failure for failure in failures) for time in times)
    assert not any(repaired <= time < repaired + ahead for time in times for repaired in repairs)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_labels_of_the_run_say_so_too(ran: Ran, alerts: dict[str, list[dict[str, Any]]], detector: str) -> None:
    failures, repairs = times_of(ran.folder, "bearing"), times_of(ran.folder, "repaired")
    (ran.folder / f"{detector}.jsonl").write_text(written(alerts[detector]))

    ended = fleet("score", f"{detector}.jsonl", "--from", "file:out.jsonl", "--json", cwd=ran.folder)

    assert ended.code == 0, ended.err
    data = json.loads(ended.out)
    assert (data["all"]["labels"], data["all"]["precision"], data["all"]["recall"]) == (2, 1, 1)
    assert data["curve"]["average_precision"] == 1
    for label, failure, repaired in zip(data["labels"], failures, repairs, strict=True):
        assert (label["machine"], label["fault"], label["family"]) == (WORN, "bearing", "machine")
        assert [datetime.fromisoformat(label[name]) for name in ("failure", "stop")] == [failure, repaired]
        assert label["onset"] < label["found"] < label["failure"]


def test_kafka_says_the_same_as_the_file(ran: Ran, alerts: dict[str, list[dict[str, Any]]]) -> None:
    def read(detector: str) -> list[dict[str, Any]]:
        return alerts_of(detector, "--idle", "4", cwd=ran.folder, env={"FLEET_KAFKA_BOOTSTRAP": ran.bootstrap})

    with ThreadPoolExecutor() as pool:
        found = dict(zip(DETECTORS, pool.map(read, DETECTORS), strict=True))

    for detector in DETECTORS:
        assert in_order(found[detector]) == in_order(alerts[detector])


def test_alerts_in_a_topic_are_scored_against_the_labels_in_theirs(
    ran: Ran, alerts: dict[str, list[dict[str, Any]]]
) -> None:
    before = {"machine": WORN, "time": "2025-01-01T00:00:00Z", "score": 1}
    other = [before, {"run": "another", "machine": "x", "time": 1}]
    producer = Producer({"bootstrap.servers": ran.bootstrap})
    for alert in (*alerts["zones"], *other):
        producer.produce("factory.alerts", json.dumps(alert).encode())
    assert producer.flush(20) == 0

    words = ["--from", f"kafka://{ran.bootstrap}", "--json"]
    ended = fleet("score", "topic:factory.alerts", *words, cwd=ran.folder)

    assert ended.code == 0, ended.err
    data = json.loads(ended.out)
    assert (data["machines"], data["alerts"]) == (4, len(alerts["zones"]))
    assert (data["all"]["labels"], data["all"]["precision"], data["all"]["recall"]) == (2, 1, 1)
    assert ended.lines == ["topic:factory.alerts: 2 alerts are about other runs and were left out"]


def test_labels_in_a_container_of_their_own_are_read(ran: Ran, alerts: dict[str, list[dict[str, Any]]]) -> None:
    words = ["--to", "file:again.jsonl", "--labels", "file:labels.avro", "--speed", "max"]
    again = fleet("run", str(SCENARIO), *words, cwd=ran.folder)
    (ran.folder / "alerts.jsonl").write_text(written(alerts["zones"]))

    ended = fleet("score", "alerts.jsonl", "--labels", "labels.avro", "--json", cwd=ran.folder)

    assert (again.code, ended.code) == (0, 0), again.err + ended.err
    assert json.loads(ended.out)["all"]["recall"] == 1


def test_the_table_of_scores_is_of_scenarios_that_there_are_and_both_detectors() -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]

    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines() if line.startswith("| ")]

    assert rows[0] == list(HEADS[:2])
    assert {name for name, _ in rows[1:]} <= set(scenario_names())
    assert [detector for _, detector in rows[1:]] == [*DETECTORS] * (len(rows) // 2)


def in_order(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort *alerts*: between partitions Kafka has no order."""
    return sorted(alerts, key=lambda alert: (alert["time"], alert["sensor"]))
