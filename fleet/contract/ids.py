"""The ids that a run's schemas have: from the registry, where it is gone and optional those of last time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fleet.contract.access import Access
from fleet.contract.memory import Place, recall, remember
from fleet.contract.registry import Registry, RegistryError, RegistryGoneError
from fleet.contract.texts import record_name, same

AT_ONCE = 8
"""So many requests are on their way at once: topics of a template may be many."""


class Needed(NamedTuple):
    """A schema that a run writes to a topic."""

    file: str
    text: str
    topic: str


@dataclass(frozen=True, slots=True)
class Given:
    """The *ids* by schema file, None where the run keeps its own, and what a person should know of it."""

    ids: dict[str, int] | None
    notices: tuple[str, ...] = ()


def subjects_of(needed: Sequence[Needed]) -> dict[Needed, str]:
    """Name the subjects: the topic's value, with the record's name where a topic has records of several schemas."""
    files: dict[str, set[str]] = {}
    for each in needed:
        files.setdefault(each.topic, set()).add(each.file)
    return {each: subject_of(each.topic, each.text, alone=len(files[each.topic]) == 1) for each in needed}


def subject_of(topic: str, text: str, *, alone: bool = True) -> str:
    """Name a subject by Confluent's TopicNameStrategy; where the schema is not *alone*, TopicRecordNameStrategy."""
    return f"{topic}-value" if alone else f"{topic}-{record_name(text)}"


async def give_ids(
    access: Access, needed: Sequence[Needed], *, memory: Path, registry: Registry | None = None
) -> Given:
    """Register what is *needed* and give its ids; one registration for each schema and subject.

    RegistryError where the registry refuses a schema; RegistryGoneError where it is gone and not optional.
    """
    subjects = subjects_of(list(dict.fromkeys(needed)))
    places = {each: (subject, each.text) for each, subject in subjects.items()}
    try:
        async with registry or Registry(access) as client:
            numbers = await _registered(client, list(places.values()))
    except RegistryGoneError as gone:
        if not access.optional:
            raise RegistryGoneError(f"{gone}; start it, or go on without: --registry {access.text},optional") from gone
        return _remembered(access, places, memory, str(gone) if access.urls else "no registry is named")
    remember(memory, access.urls, numbers)
    return Given(_by_file(places, numbers))


async def _registered(client: Registry, places: list[Place]) -> dict[Place, int]:
    """Register all *places* and see that what the registry has under each id is what was registered."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(place: Place) -> int:
        async with room:
            number = await client.register(*place)
            if not same(await client.by_id(number), place[1]):
                raise RegistryError(
                    f"registry {client.access.text}: subject {place[0]!r}: was given the id {number}, "
                    "which is that of another schema"
                )
            return number

    tasks = [asyncio.ensure_future(one(place)) for place in places]
    try:
        return dict(zip(places, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _remembered(access: Access, places: dict[Needed, Place], memory: Path, why: str) -> Given:
    numbers = recall(memory, access.urls, list(places.values()))
    if numbers is None:
        return Given(None, (f"{why}; goes on with the ids of schemas/ids.json",))
    return Given(_by_file(places, numbers), (f"{why}; goes on with the ids it gave last time",))


def _by_file(places: dict[Needed, Place], numbers: dict[Place, int]) -> dict[str, int]:
    """Give the id of every file; RegistryError where a registry has several for one, or one for several."""
    found: dict[str, int] = {}
    for each, place in places.items():
        number = found.setdefault(each.file, numbers[place])
        if number != numbers[place]:
            raise RegistryError(
                f"registry: {each.file} must have one id in all subjects, got {number} and {numbers[place]}"
            )
    return found
