"""What a run says of itself at its end, for people and for machines."""

from __future__ import annotations

import math
import shlex
from typing import Any

from fleet.data import INJECTED
from fleet.run.account import StreamAccount
from fleet.run.execute import Result
from fleet.run.plan import EMBEDDED, RunPlan
from fleet.run.targets import Target
from fleet.scenario.times import moment, span_text


def summary(result: Result) -> list[str]:
    """Say in a few lines what ran, what became of it, and how to run it again."""
    progress, plan = result.progress, result.plan
    span_us = progress.simulated_us - plan.start_us
    rate = progress.readings / result.wall_s if result.wall_s else 0.0
    head = f"run {plan.run_id}: {progress.readings:,} readings of {result.machines:,} machines"
    lines = [f"{head}, {span_text(span_us)} of simulated time in {result.wall_s:.1f} s ({rate:,.0f} readings/s)"]
    for target in result.targets:
        lines += _target_lines(target, many=len(result.targets) > 1)
    if progress.lateness.records:
        late = progress.lateness
        lines.append(
            f"lateness: p50 {_ms(late.quantile_us(0.5))}, p99 {_ms(late.quantile_us(0.99))}, max {_ms(late.max_us)}"
        )
    if result.failure:
        lines.append(f"stopped early: {result.failure}")
    elif result.interrupted:
        lines.append(f"interrupted at {moment(progress.simulated_us)}, stopped cleanly")
    if result.verdict is not None:
        lines += result.verdict.lines()
    lines.append(f"again: {repeat_command(plan, _length_us(result))}")
    return lines


def _length_us(result: Result) -> int | None:
    """Give the length that repeats the run: as far as it came, where it was to go on; None where it has one."""
    plan = result.plan
    came_us = result.progress.simulated_us - plan.start_us
    cut_short = result.interrupted or result.closed or plan.stop_us is None
    return came_us if cut_short and came_us > 0 else None


def _target_lines(target: Target, *, many: bool) -> list[str]:
    head = f"{shown(target)}: " if many else ""
    lines = []
    for stream, account in target.account.streams.items():
        if stream == INJECTED and account.injected:
            lines.append(f"{head}{_injected_line(account)}")
        if not account.scheduled or (stream == "runs" and not account.lost):
            continue
        parts = [f"{account.scheduled:,} scheduled"]
        for column in ("withheld", "produced", "acknowledged", "failed", "in_doubt"):
            number = getattr(account, column)
            if number or column in {"produced", "acknowledged"}:
                parts.append(f"{number:,} {column.replace('_', ' ')}")
            if number and column == "withheld":
                parts[-1] += _reasons(account)
        if account.injected:
            parts.insert(parts.index(f"{account.produced:,} produced") + 1, f"{account.injected:,} injected")
        name = "records of the run itself" if stream == "runs" else stream
        lines.append(f"{head}{name}: {', '.join(parts)}")
    latency = target.sink.latency
    if latency.records:
        quantiles = ", ".join(f"p{q * 100:g} {_ms(latency.quantile_us(q))}" for q in (0.5, 0.99))
        lines.append(f"{head}acknowledged after: {quantiles}, max {_ms(latency.max_us)}")
    return lines


def _injected_line(account: StreamAccount) -> str:
    """Say what became of what a wrong client sent."""
    parts = [f"{account.injected:,} sent by a wrong client", f"{account.acknowledged:,} acknowledged"]
    parts += [f"{account.refused:,} refused"] * bool(account.refused)
    parts += [f"{account.in_doubt:,} in doubt"] * bool(account.in_doubt)
    return f"injected: {', '.join(parts)}"


def _reasons(account: StreamAccount) -> str:
    """Say why records were withheld, where it was not that the run was late."""
    reasons = [(account.by_policy, "by report policy"), (account.by_label, "lost by faults")]
    said = [f"{count:,} {why}" for count, why in reasons if count]
    return f" ({', '.join(said)})" if said else ""


def shown(target: Target) -> str:
    """Name a target for people."""
    if target.plan.url == EMBEDDED and target.connection is not None:
        return f"embedded broker {target.connection.bootstrap}"
    return target.plan.url


def _ms(microseconds: int) -> str:
    return f"{microseconds / 1000:,.0f} ms" if microseconds >= 10_000 else f"{microseconds / 1000:.1f} ms"


def repeat_command(plan: RunPlan, length_us: int | None = None) -> str:
    """Give the command that sends the same records again; *length_us* for a run that was cut short.

    What was skipped because the run was late is not skipped again.
    """
    request = plan.request
    words = ["fleet", "run", request.source, "--seed", str(plan.seed), "--start", moment(plan.start_us)]
    if length_us is None and plan.stop_us is not None:
        length_us = plan.stop_us - plan.start_us
    words += [] if length_us is None else ["--for", span_text(length_us)]
    words += ["--speed", "max" if math.isinf(request.speed) else f"{request.speed:.15g}"]
    for setting in request.settings:
        words += ["--set", setting]
    for target in request.targets:
        words += [] if target == EMBEDDED else ["--to", target]
    for option, value in (("--format", request.format), ("--topic", request.topic)):
        words += [option, value] if value else []
    words += ["--registry", request.registry.text] if request.registry else []
    words += ["--labels", request.labels] if request.labels else []
    words += ["--kafka-config", str(request.kafka_config)] if request.kafka_config else []
    words += ["--record-time", "wall"] if request.record_time == "wall" else []
    words += ["--run-header"] if request.run_header else []
    words += request.repeated
    return shlex.join(words)


def as_json(result: Result) -> dict[str, Any]:
    """Give the report as fields for machines."""
    plan, progress = result.plan, result.progress
    return {
        "run": plan.run_id,
        "scenario": plan.request.scenario.name,
        "scenario_digest": plan.digest,
        "seed": plan.seed,
        "start": moment(plan.start_us),
        "stop": moment(progress.simulated_us),
        "machines": result.machines,
        "readings": progress.readings,
        "wall_s": round(result.wall_s, 3),
        "released_s": round(progress.released_s, 3),
        "interrupted": result.interrupted,
        "failure": result.failure,
        "exit": result.exit_code,
        "lateness_us": _quantiles(progress.lateness),
        "targets": [
            {
                "target": shown(target),
                "account": target.account.as_fields(),
                "first_acknowledged": moment(target.sink.latency.first_us) if target.sink.latency.first_us else None,
                "latency_us": _quantiles(target.sink.latency),
                "notices": list(target.sink.notices),
            }
            for target in result.targets
        ],
        "proof": result.verdict.as_json() if result.verdict is not None else None,
        "notices": list(progress.notices),
        "again": repeat_command(plan, _length_us(result)),
    }


def _quantiles(latency: Any) -> dict[str, int] | None:
    if not latency.records:
        return None
    return {"p50": latency.quantile_us(0.5), "p99": latency.quantile_us(0.99), "max": latency.max_us}
