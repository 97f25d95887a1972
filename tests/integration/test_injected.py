"""A wrong client beside ours: what it sends is refused or set aside, and all that is ours arrives and is proven."""

from __future__ import annotations

import pytest

from tests.cli.commands import Ended, fleet
from tests.integration.runs import Topics, offsets, report
from tests.services.kafka import Kafka

PUMP = "filling-pump-001"
RATES = {
    "broken_framing": 40, "unknown_schema_id": 40, "truncated_body": 40, "wrong_schema": 40, "null_key": 40,
    "tombstone": 40, "hot_key": 40, "oversized_record": 5,
}  # fmt: skip
"""Records a fault in 20 s; the broker refuses the last."""

SCENARIO = """\
fleet: 1
name: wrong-clients
seed: 7
start: 2026-03-02T06:00:00Z
duration: 40 s
lines:
  - {name: filling, machines: [{kind: pump, count: 2}]}
incidents:
""" + "".join(
    f"  - {{at: 10 s, machine: {PUMP}, fault: {fault}, for: 20 s, rate: {3 * count}/min}}\n"
    for fault, count in RATES.items()
)
SENT, REFUSED = sum(RATES.values()), RATES["oversized_record"]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("wrong") / "wrong-clients.yaml"
    file.write_text(SCENARIO)
    return str(file)


def words_of(topics: Topics) -> list[str]:
    return [*topics.words, "--set", f"records.labels.topic={topics.readings}.labels"]


def verified(kafka: Kafka, scenario: str, topics: Topics, run: str) -> Ended:
    return fleet("verify", scenario, "--from", f"kafka://{kafka.bootstrap}", *words_of(topics), "--run", run)


@pytest.mark.parametrize("speed", ["20", "max"])
def test_what_a_wrong_client_does_is_no_failure_of_ours(kafka: Kafka, scenario: str, speed: str) -> None:
    topics = Topics()

    ended = fleet("run", scenario, "--to", f"kafka://{kafka.bootstrap}", *words_of(topics), "--speed", speed, "--json")

    told = report(ended)
    account = told["targets"][0]["account"]
    assert (ended.code, told["failure"]) == (0, "")
    assert account["readings"]["acknowledged"] == account["readings"]["scheduled"] > 0
    assert account["injected"]["injected"] == SENT
    assert account["injected"]["acknowledged"] == SENT - REFUSED
    assert account["injected"]["refused"] == account["injected"]["failed"] == REFUSED
    assert any("MESSAGE_TOO_LARGE" in notice for notice in told["targets"][0]["notices"])
    there = sum(end - first for first, end in offsets(kafka.bootstrap, topics.readings).values())
    assert there == account["readings"]["acknowledged"] + SENT - REFUSED
    proof = verified(kafka, scenario, topics, told["run"])
    assert proof.code == 0, proof.err
    assert f"{SENT - REFUSED:,} records of wrong clients are set aside" in proof.out
    assert "equal to the scenario's" in proof.out
    _assert_tail_shows_them(kafka, topics, there)


def _assert_tail_shows_them(kafka: Kafka, topics: Topics, there: int) -> None:
    shown = fleet("tail", topics.readings, "--from", f"kafka://{kafka.bootstrap}", "--beginning", "--count", str(there))
    assert (shown.code, len(shown.out.splitlines())) == (0, there), shown.err
    undecodable = sum(RATES[name] for name in ("broken_framing", "unknown_schema_id", "truncated_body", "tombstone"))
    assert shown.out.count("undecodable: ") == undecodable
    assert "Traceback" not in shown.err
