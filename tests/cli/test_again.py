"""The command that a run prints to repeat it has every option that changes what is sent, or how."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from fleet.cli.app import app
from fleet.cli.run import SETTLED
from fleet.cli.values import said
from tests.cli.commands import fleet

ASKED = {
    "seed": "--seed 5",
    "start": "--start 2026-03-02T06:00:00Z",
    "length": "--for 5s",
    "speed": "--speed 1000",
    "settings": "--set lines[2].machines[0].count=1 --set name=again",
    "to": "--to null:",
    "format_": "--format json",
    "topic": "--topic t.{line}",
    "record_time": "--record-time wall",
    "run_header": "--run-header",
    "headers": "--headers none",
    "skew": "--skew 2s",
    "when_late": "--when-late skip",
    "stop_timeout": "--stop-timeout 7s",
    "acks": "--acks 1",
    "compression": "--compression lz4",
    "batch_size": "--batch-size '64 KiB'",
    "linger": "--linger 30ms",
    "window": "--window 40ms",
    "twin": "--without-incidents",
    "registry": "--registry http://localhost:8081",  # not asked: with JSON alone nothing has an id
    "labels": "--labels file:labels.jsonl",
    "set_producer": "--set-producer retry_backoff_ms=50 --set-producer connections_max_idle_ms=1000",
}
SHOWN_ONLY = {"sample", "as_json", "exit_"}  # these say what is shown, and when the command ends
ELSEWHERE = {"scenario", "kafka_config"}  # tested below


def context_of(*words: str) -> typer.Context:
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    return command.make_context("run", list(words))  # type: ignore[no-any-return]


def test_every_option_of_a_run_is_looked_at_here() -> None:
    options = {parameter.name for parameter in context_of("quickstart").command.params}

    assert options == {*ASKED, *SHOWN_ONLY, *ELSEWHERE}


def test_an_option_is_repeated_by_the_plan_or_as_it_was_written() -> None:
    written = said(context_of("quickstart", *shlex.split(" ".join(ASKED.values()))), but=SETTLED)

    wanted = [word for name, text in ASKED.items() if name not in SETTLED for word in shlex.split(text)]
    assert sorted(written) == sorted(wanted)


def test_the_command_that_repeats_a_run_has_all_that_was_asked_for(tmp_path: Path) -> None:
    asked = shlex.split(" ".join(ASKED.values()))

    ended = fleet("run", "quickstart", *asked, cwd=tmp_path)

    assert ended.code == 0, ended.err
    again = shlex.split(ended.lines[-1].removeprefix("again: fleet run quickstart "))
    assert sorted(again) == sorted(asked)
