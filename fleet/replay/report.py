"""What a replay says at its end, for people and for machines."""

from __future__ import annotations

from typing import Any

from fleet.replay.execute import Replayed
from fleet.replay.plan import ReplayPlan, repeat_command
from fleet.scenario.times import moment, span_text


def opening(plan: ReplayPlan) -> list[str]:
    """Say what is about to be played."""
    source = plan.source
    over = f" over {span_text(source.last_us - source.first_us)}" if source.last_us > source.first_us else ""
    lines = [f"{source.name}: {source.records:,} records{over}, from {moment(source.first_us)}"]
    lines += source.missing
    if plan.request.rebase:
        first = moment((source.first_ms + plan.shift_ms) * 1000)
        lines.append(
            f"stamps: that of the first record is {first}, all others keep their distance to it; "
            "times inside the records stay as they were recorded"
        )
    return lines


def summary(result: Replayed) -> list[str]:
    """Say what became of every record, how well the schedule was kept, and how to do it again."""
    plan, played = result.plan, result.played
    rate = played.records / result.wall_s if result.wall_s else 0.0
    head = f"replay {result.run_id}: " if result.run_id else ""
    lines = [
        f"{head}{played.records:,} of {plan.source.records:,} records in {result.wall_s:.1f} s ({rate:,.0f} records/s)"
    ]
    if plan.request.loop:
        lines[0] = f"{played.records:,} records in {played.rounds:,} whole rounds, {result.wall_s:.1f} s"
    for stream, account in result.account.streams.items():
        if stream == "runs" and not account.lost:
            continue
        parts = [f"{account.produced:,} sent", f"{account.acknowledged:,} acknowledged"]
        parts += [f"{account.failed:,} failed"] if account.failed else []
        parts += [f"{account.in_doubt:,} in doubt"] if account.in_doubt else []
        lines.append(f"{stream}: {', '.join(parts)}")
    timing = played.timing
    if timing.records:
        shown = ", ".join(f"p{q * 100:g} {timing.quantile_us(q) / 1000:.1f} ms" for q in (0.5, 0.99))
        lines.append(f"sent later than due: {shown}, max {timing.max_us / 1000:.1f} ms")
    if result.failure:
        lines.append(f"stopped early: {result.failure}")
    elif result.interrupted:
        lines.append("interrupted, stopped cleanly")
    if plan.source.missing:
        lines.append("not all of what was recorded was there to be sent, as said above")
    if result.verdict is not None:
        lines += result.verdict.lines()
    lines.append(f"again: {repeat_command(plan.request)}")
    return lines


def as_json(result: Replayed) -> dict[str, Any]:
    """Give the report as fields for machines."""
    plan, played = result.plan, result.played
    timing = played.timing
    return {
        "replay": result.run_id or None,
        "file": plan.source.name,
        "records": plan.source.records,
        "sent": played.records,
        "rounds": played.rounds,
        "shift_ms": plan.shift_ms,
        "wall_s": round(result.wall_s, 3),
        "account": result.account.as_fields(),
        "timing_us": {"p50": timing.quantile_us(0.5), "p99": timing.quantile_us(0.99), "max": timing.max_us}
        if timing.records
        else None,
        "missing": list(plan.source.missing),
        "interrupted": result.interrupted,
        "failure": result.failure,
        "exit": result.exit_code,
        "proof": result.verdict.as_json() if result.verdict is not None else None,
        "notices": [*played.notices, *result.sink.notices],
        "again": repeat_command(plan.request),
    }
