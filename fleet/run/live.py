"""What a person sees while a run goes on: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Iterable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fleet.run.execute import Running
from fleet.run.report import shown
from fleet.scenario.times import moment

REFRESH_S = 0.25
LINE_EVERY = 20  # refreshes
RATE_OVER_S = 5.0
STATE_COLOURS = {
    "execute": "green",
    "held": "yellow",
    "suspended": "cyan",
    "aborted": "bold red",
    "stopped": "bright_black",
    "idle": "white",
}


async def show(console: Console, running: Running) -> None:
    """Show *running* on *console* until cancelled."""
    if console.is_terminal:
        await _show_table(console, running)
    else:
        await _show_lines(console, running)


async def _show_table(console: Console, running: Running) -> None:
    rates = _Rates(running)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            say(console, running.news())
            live.update(_picture(running, rates.now()), refresh=True)
            await asyncio.sleep(REFRESH_S)


async def _show_lines(console: Console, running: Running) -> None:
    rates = _Rates(running)
    for turn in itertools.count(1):
        await asyncio.sleep(REFRESH_S)
        say(console, running.news())
        if turn % LINE_EVERY == 0:
            say(console, [_line(running, rates.now())])


def say(console: Console, lines: Iterable[str]) -> None:
    """Write *lines* as they are."""
    for line in lines:
        console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)


class _Rates:
    """Readings a second over the last few seconds: a slow plant's scans come in bursts."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._clock = asyncio.get_running_loop().time
        self._seen = deque([(self._clock(), running.progress.readings)])

    def now(self) -> float:
        """Give the rate, and take note of how far the run is."""
        self._seen.append((self._clock(), self._running.progress.readings))
        while len(self._seen) > 2 and self._seen[-1][0] - self._seen[0][0] > RATE_OVER_S:
            self._seen.popleft()
        then, before = self._seen[0]
        now, after = self._seen[-1]
        return (after - before) / max(now - then, 1e-9)


def _speed(running: Running) -> str:
    speed = running.plan.request.speed
    return "max" if math.isinf(speed) else f"{speed:g}x"


def _pending(running: Running) -> int:
    return sum(target.pending for target in running.targets)


def _line(running: Running, rate: float) -> str:
    progress = running.progress
    states = ", ".join(f"{count} {state}" for state, count in progress.states.most_common() if count)
    behind = f", {progress.behind_s:.1f} s behind" if progress.behind_s > 1 else ""
    return (
        f"{moment(progress.simulated_us - progress.simulated_us % 1_000_000)} at {_speed(running)}: "
        f"{progress.readings:,} readings, {rate:,.0f}/s, {_pending(running):,} in flight{behind}; {states}"
    )


def _picture(running: Running, rate: float) -> Group:
    progress, plan = running.progress, running.plan
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column()
    clock = moment(progress.simulated_us - progress.simulated_us % 1_000_000).replace("T", " ")
    done = ""
    if plan.stop_us is not None:
        share = (progress.simulated_us - plan.start_us) / (plan.stop_us - plan.start_us)
        done = f"  {share:4.0%}"
    facts.add_row("simulated", f"{clock}  at {_speed(running)}{done}")
    facts.add_row("to", ", ".join(shown(target) for target in running.targets))
    facts.add_row("readings", f"{progress.readings:,}  {rate:,.0f}/s  {_pending(running):,} in flight")
    latency = running.targets[0].sink.latency
    if latency.records:
        p50, p99 = (latency.quantile_us(q) / 1000 for q in (0.5, 0.99))
        facts.add_row("acknowledged", f"p50 {p50:.1f} ms  p99 {p99:.1f} ms")
    if progress.behind_s > 1:
        facts.add_row("late", Text(f"{progress.behind_s:.1f} s behind the schedule", style="yellow"))
    states = Text()
    for state, colour in STATE_COLOURS.items():
        if progress.states[state]:
            states.append(f"{progress.states[state]:,} {state}  ", style=colour)
    facts.add_row("machines", states)
    events = Table.grid(padding=(0, 2))
    for event in progress.events:
        colour = STATE_COLOURS.get(event.state, "white")
        events.add_row(
            Text(moment(event.time_us)[11:19], style="bright_black"),
            event.machine.id,
            Text(event.state, style=colour),
            event.cause.replace("_", " "),
        )
    return Group(facts, events)
