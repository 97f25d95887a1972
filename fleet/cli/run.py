"""``fleet run``."""

from __future__ import annotations

import os

import typer

from fleet.cli import run_options as of
from fleet.cli.command import Command, loading
from fleet.cli.options import (
    KafkaConfig,
    ScenarioName,
    Seed,
    Settings,
    Start,
    WithoutIncidents,
    bootstrap_url,
    load_with_arguments,
)
from fleet.cli.values import choice, duration_us, said, size, speed_of
from fleet.errors import RequestError

SETTLED = frozenset({
    "scenario", "seed", "start", "length", "speed", "settings", "to", "format_", "topic", "kafka_config", "record_time",
    "run_header", "sample", "registry", "labels", "as_json", "exit_",
})  # fmt: skip
"""Options that the command which repeats a run has as the plan settled them, or that change no record of it."""


def run(
    context: typer.Context,
    scenario: ScenarioName,
    to: of.To = None,
    speed: of.Speed = "1",
    length: of.Length = None,
    start: Start = None,
    seed: Seed = None,
    settings: Settings = None,
    sample: of.Sample = None,
    format_: of.Format = None,
    topic: of.Topic = None,
    kafka_config: KafkaConfig = None,
    record_time: of.RecordTime = "scan",
    run_header: of.RunHeader = False,
    headers: of.Headers = None,
    skew: of.Skew = None,
    when_late: of.WhenLate = "catch-up",
    stop_timeout: of.StopTimeout = "30s",
    acks: of.Acks = "all",
    compression: of.Compression = "none",
    batch_size: of.BatchSize = of.BATCH_SIZE,
    linger: of.Linger = None,
    window: of.Window = None,
    set_producer: of.SetProducer = None,
    registry: of.Registry = None,
    labels: of.Labels = None,
    twin: WithoutIncidents = False,
    as_json: of.Json = False,
    exit_: of.Exit = False,
) -> None:
    """Run a scenario: send what its factory says, then say what became of every record."""
    with loading():
        from fleet.contract.access import access
        from fleet.run.clock import RealClock
        from fleet.run.plan import RunRequest, make_plan
        from fleet.run.sample import print_sample
        from fleet.scenario.streams import FORMATS, HEADERS
        from fleet.session import carry_out
        from fleet.sinks.settings import producer_settings

    loaded = load_with_arguments(scenario, settings, seed=seed, start=start, length=length)
    request = RunRequest(
        scenario=loaded.without_incidents() if twin else loaded,
        source=scenario,
        targets=_targets(to, sample),
        speed=speed_of(speed),
        settings=tuple(settings or ()),
        format=None if format_ is None else choice("--format", format_, FORMATS),
        topic=_topic(topic),
        kafka_config=kafka_config if sample is None else None,
        record_time=choice("--record-time", record_time, ("scan", "wall")),
        run_header=run_header,
        headers=None if headers is None else choice("--headers", headers, HEADERS),
        skew_s=None if skew is None else duration_us("--skew", skew) / 1e6,
        skip_when_late=choice("--when-late", when_late, ("catch-up", "skip")) == "skip",
        stop_timeout_s=duration_us("--stop-timeout", stop_timeout) / 1e6,
        producer=producer_settings(
            acks=acks,
            compression=compression,
            batch_bytes=size("--batch-size", batch_size),
            options=set_producer or (),
        ),
        window_s=_window_s(window, linger),
        registry=access(registry, os.environ) if sample is None else None,
        labels=labels if sample is None else None,
        repeated=said(context, but=SETTLED),
    )
    if as_json and "stdout:" in request.targets:
        raise RequestError("--json and --to stdout: both want standard output; send the records elsewhere")
    plan = make_plan(request, wall_us=RealClock().wall_us())
    if sample is not None:
        print_sample(plan, sample)
        return
    raise typer.Exit(carry_out(plan, as_json=as_json, keep_open=not exit_))


def _targets(to: list[str] | None, sample: int | None) -> tuple[str, ...]:
    from fleet.run.plan import EMBEDDED

    if sample is not None:
        return ("stdout:",)
    return tuple(to) if to else (bootstrap_url() or EMBEDDED,)


def _topic(name: str | None) -> str | None:
    if name == "":
        raise RequestError("--topic: must be a topic's name, or a template like 'factory.{line}', got ''")
    return name


def _window_s(window: str | None, linger: str | None) -> float | None:
    """Settle how long records wait for one another; the longer of the two, if any was said."""
    spans = [duration_us(option, text) / 1e6 for option, text in (("--window", window), ("--linger", linger)) if text]
    return max(spans, default=None)


COMMAND = Command(
    run,
    short="Run a scenario: send what its factory says.",
    example="run quickstart --to stdout: --speed max --for 1h",
)
