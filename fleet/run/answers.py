"""Notice when a Kafka stops answering in the middle of a run, and when it answers again: one line each.

aiokafka tries again ten times a second and logs each time; that is kept from people (`fleet.sinks.logs`). What they
want to know is whether records get through, and that is seen from the account.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fleet.errors import FleetError
from fleet.run.clock import Clock
from fleet.run.execute import Running
from fleet.run.targets import Target
from fleet.sinks.connection import Connection
from fleet.sinks.open import DELIVERY_DEADLINE_S

SILENT_S = 3.0
"""So long nothing has been answered although something is on its way: a person should know."""

LOOK_S = 0.5
REACH_TIMEOUT_S = 2.0


@dataclass(slots=True)
class Silence:
    """Whether one sink answers, judged from numbers that are looked at now and then."""

    answered: int = 0
    since_s: float | None = None  # when something was on its way first after the last answer
    told: bool = False

    def look(self, *, answered: int, pending: int, now_s: float) -> float | None:
        """Take note of the numbers of now. Give for how long it was silent where it has just begun to answer again."""
        silent_s = 0.0 if self.since_s is None else now_s - self.since_s
        if answered != self.answered or not pending:
            again = self.told and answered != self.answered
            self.answered, self.since_s = answered, now_s if pending else None
            self.told = self.told and not again
            return silent_s if again else None
        if self.since_s is None:
            self.since_s = now_s
        return None

    def begins(self, now_s: float) -> bool:
        """Say, once, that it has been silent for too long."""
        if self.told or self.since_s is None or now_s - self.since_s < SILENT_S:
            return False
        self.told = True
        return True


async def watch_answers(running: Running, clock: Clock) -> None:
    """Look after every Kafka of *running* until cancelled; what is to be said is noted with its sink."""
    never = asyncio.Event()
    watched = [(target, target.connection, Silence()) for target in running.targets if target.connection is not None]
    while watched:
        for target, connection, silence in watched:
            again_s = silence.look(answered=answered_by(target), pending=target.pending, now_s=clock.now_s())
            if again_s is not None:
                target.sink.notices.append(f"kafka: {connection.bootstrap} answers again, after {again_s:.0f} s")
            elif silence.begins(clock.now_s()):
                target.sink.notices.append(await _said(connection))
        await clock.sleep(LOOK_S, never)


def answered_by(target: Target) -> int:
    """Count the records that the sink of *target* has an answer for, whichever."""
    return sum(delivery.acknowledged + delivery.failed for delivery in target.sink.delivery.values())


async def _said(connection: Connection) -> str:
    """Say that there is no answer, and why, as far as knocking again can tell."""
    from fleet.sinks.connect import reach

    waiting = f"waiting up to {DELIVERY_DEADLINE_S:.0f} s"
    try:
        await reach(connection, timeout_s=REACH_TIMEOUT_S)
    except FleetError as error:
        return f"{error}; {waiting}"
    return f"kafka: {connection.bootstrap} can be reached, but has acknowledged nothing for {SILENT_S:.0f} s; {waiting}"
