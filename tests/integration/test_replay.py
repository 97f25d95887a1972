"""Recorded from a real Kafka and played to it again: nothing is lost, and the scenario itself says so."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import fleet
from tests.integration.runs import Topics, run
from tests.services.kafka import Kafka


def test_what_a_run_wrote_is_played_to_other_topics_and_proven(kafka: Kafka, tmp_path: Path) -> None:
    topics, source = Topics(), ("--from", f"kafka://{kafka.bootstrap}")
    told = run(kafka.bootstrap, topics, "--speed", "max", "--for", "5min", "--seed", "7")

    recorded = fleet("record", *source, "--run", told["run"], "--out", "run.avro", cwd=tmp_path)
    again = f"{topics.readings}.again"
    replayed = fleet("replay", "run.avro", "--to", f"kafka://{kafka.bootstrap}", "--speed", "max", "--topic", again,
                     cwd=tmp_path)  # fmt: skip

    assert (recorded.code, replayed.code) == (0, 0), recorded.err + replayed.err
    replay = next(line for line in replayed.lines if line.startswith("replay ")).split()[1].rstrip(":")
    verified = fleet("verify", "quickstart", *source, *topics.words, "--set", f"records.readings.topic={again}",
                     "--run", replay)  # fmt: skip
    assert verified.code == 0, verified.out
    assert "digests equal, equal to the scenario's" in verified.out


def test_a_recording_of_a_topic_says_which_offsets_were_cut_off(kafka: Kafka, tmp_path: Path) -> None:
    topics = Topics()
    run(kafka.bootstrap, topics, "--speed", "max", "--for", "2min")
    source = ("--from", f"kafka://{kafka.bootstrap}")
    fleet("record", topics.readings, *source, "--out", "run.avro", cwd=tmp_path)
    data = (tmp_path / "run.avro").read_bytes()
    (tmp_path / "run.avro").write_bytes(data[: len(data) // 2])

    cut = fleet("replay", "run.avro", "--to", "null:", "--speed", "max", cwd=tmp_path)

    assert cut.code in {1, 2}, cut.err
    assert f"missing: {topics.readings}[" in cut.err
