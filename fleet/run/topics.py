"""The topics of a scenario on a broker: made, compared with what the scenario wants, or deleted and made anew."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.data import TopicPlan
from fleet.errors import RunError
from fleet.run.clock import RealClock
from fleet.run.plan import RUNS_TOPIC, RunPlan, target_plan
from fleet.sinks.connection import Connection
from fleet.sinks.remake import TopicThere, delete_topics, topics_there
from fleet.sinks.topics import prepare_topics


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics that a run writes to, and the broker they are on."""

    connection: Connection
    plans: tuple[TopicPlan, ...]


def topics_of(plan: RunPlan, url: str, kafka_config: Path | None) -> Topics:
    """Settle the topics of *plan* on the broker of *url*."""
    from fleet.sinks.properties import connection

    configured = connection(url.removeprefix("kafka://"), kafka_config, os.environ)
    return Topics(configured.connection, target_plan(url, plan.request, plan.roster).topics)


def create(topics: Topics) -> list[str]:
    """Make the *topics* that are missing; say what all are like now, and what of those that were there is other."""
    return asyncio.run(_made(topics)).lines


def recreate(topics: Topics, *, show: Callable[[str], object], agreed: Callable[[], bool]) -> list[str]:
    """Delete the *topics* that are there and make all anew, if that is *agreed* to; *show* says what would be lost.

    The journal of all runs stays: other scenarios' runs are in it, too. RequestError where that cannot be, RunError
    where somebody else made one of them meanwhile.
    """
    doomed = [plan for plan in topics.plans if plan.name != RUNS_TOPIC]
    there = asyncio.run(topics_there(topics.connection, doomed))
    for topic in there:
        show(f"  delete    {topic.name}: {topic.records:,} records in {topic.partitions} partitions")
    if there:
        show(f"  keep      {RUNS_TOPIC}: the journal of all runs; those that wrote there can no longer be verified")
        show("  forget    where consumer groups were in them")
        if not agreed():
            raise RunError("--recreate: not agreed to; nothing was deleted")
        asyncio.run(delete_topics(topics.connection, [topic.name for topic in there]))
    now = asyncio.run(_made(topics))
    for topic in now.topics:
        if topic.differs and topic.name != RUNS_TOPIC:
            raise RunError(
                f"kafka: topic {topic.name!r} was made by somebody else meanwhile, with {', '.join(topic.differs)}; "
                "stop who writes or reads it, and try again"
            )
    return now.lines


@dataclass(frozen=True, slots=True)
class _Now:
    """All topics as they are now, and the names of those that were there before."""

    topics: Sequence[TopicThere]
    before: frozenset[str]

    @property
    def lines(self) -> list[str]:
        """Say of each whether it was made, and what of it is other than the scenario has it."""
        return [_line(topic, "there" if topic.name in self.before else "made") for topic in self.topics]


async def _made(topics: Topics) -> _Now:
    """Make what is missing; give all as they are."""
    now_ms = RealClock().wall_us() // 1000
    before = await topics_there(topics.connection, topics.plans)
    await prepare_topics(
        topics.connection, topics.plans, first_ms=now_ms, last_ms=now_ms, endless=False, speed_above_one=False
    )
    now = sorted(await topics_there(topics.connection, topics.plans), key=lambda topic: topic.name)
    return _Now(now, frozenset(topic.name for topic in before))


def _line(topic: TopicThere, what: str) -> str:
    other = f"; other than the scenario has it: {', '.join(topic.differs)}" if topic.differs else ""
    return f"  {what:<9} {topic.name}: {topic.partitions} partitions{other}"
