"""Run a scenario inside a test: the run is that of the command line, its sink is memory."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from fleet.api import load
from fleet.broker.process import EmbeddedBroker
from fleet.errors import RequestError, RunError
from fleet.run.clock import RealClock
from fleet.run.execute import Proof, Result, Running, execute
from fleet.run.plan import EMBEDDED, RunPlan, RunRequest, make_plan
from fleet.run.report import summary
from fleet.scenario.load import with_arguments
from fleet.scenario.model import Scenario
from fleet.testing.ran import Ran
from fleet.verify.along import ReadAlong

MEMORY = "memory:"
SEED = 0
START = "2026-03-02T06:00:00Z"
"""Where the scenario leaves seed and start open: a test is to see the same readings each time."""


class FleetRun:
    """What ``fleet_run`` is: called with a scenario, it runs it and gives a `Ran`.

    Brokers it starts are put on *stack*, and end with it.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(
        self,
        scenario: str | os.PathLike[str] | Mapping[str, Any] | Scenario,
        *,
        for_: str | None = None,
        seed: int | None = None,
        start: str | None = None,
        settings: Sequence[str] = (),
        speed: float = math.inf,
        format: str | None = None,  # noqa: A002 - as the command line has it
        broker: bool = False,
    ) -> Ran:
        """Run *scenario* to its end: a name, a file, its YAML text, or the same as a mapping.

        *for_* is how long, in simulated time (``"10min"``); *settings* replace values of the scenario
        (``"lines[0].count=100"``). Where neither the arguments nor the scenario say so the seed is 0 and the start
        2026-03-02T06:00:00Z. With *broker* the records also go to an embedded broker, a new one for each call.
        ScenarioError and RequestError say what is wrong with what was asked for, RunError that the run failed.
        """
        loaded = scenario if isinstance(scenario, Scenario) else load(scenario, settings=settings)
        asked = with_arguments(loaded, seed=seed, start=start, duration=for_)
        if asked.start_us is None:
            asked = with_arguments(asked, start=START)
        request = RunRequest(
            scenario=asked,
            source=asked.file or asked.name,
            targets=(EMBEDDED, MEMORY) if broker else (MEMORY,),
            speed=speed,
            seed=SEED if asked.seed is None else asked.seed,
            settings=tuple(settings),
            format=format,
        )
        plan = make_plan(request, wall_us=RealClock().wall_us())
        if plan.stop_us is None:
            raise RequestError(f"{asked.name}: has no end of its own; say how long: fleet_run(..., for_='10min')")
        own = self._stack.enter_context(EmbeddedBroker()) if broker else None
        return Ran(_carried_out(plan, own), own.bootstrap if own is not None else None)


def _carried_out(plan: RunPlan, broker: EmbeddedBroker | None) -> Result:
    """Run *plan* to its end; RunError where it failed, KeyboardInterrupt where a person stopped it."""
    proof: Proof | None = ReadAlong() if broker is not None else None
    running = execute(plan, clock=RealClock(), broker=broker, proof=proof, watch=_ignore)
    if _in_event_loop():  # a coroutine's test; in its own thread the run has its own loop
        with ThreadPoolExecutor(1, "fleet-run") as thread:
            result = thread.submit(asyncio.run, running).result()
    else:
        result = asyncio.run(running)
    if result.interrupted:
        raise KeyboardInterrupt
    if result.exit_code:
        raise RunError("\n".join(summary(result)))
    return result


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _ignore(_: Running) -> None:
    """Show nothing: nobody is looking."""
