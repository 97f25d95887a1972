"""The ids that a run's schemas have: from the registry, where it is gone and optional those of last time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fleet.contract.access import Access
from fleet.contract.asking import CONFLICT, RegistryError, RegistryGoneError, RegistryRefusedError
from fleet.contract.memory import Place, recall, remember
from fleet.contract.registry import NO_LEVEL, Registry
from fleet.contract.texts import record_name, same

AT_ONCE = 8
"""So many requests are on their way at once: topics of a template may be many."""


class Needed(NamedTuple):
    """A schema that a run writes to a topic; or one that the registry must refuse after those before it."""

    file: str
    text: str
    topic: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """The *ids* by schema file, None where the run keeps its own, and what a person should know of it.

    *refused* says whether a registry was there and has refused what it must.
    """

    ids: dict[str, int] | None
    notices: tuple[str, ...] = ()
    refused: bool = False


def subjects_of(needed: Sequence[Needed]) -> dict[Needed, str]:
    """Name the subjects: the topic's value, with the record's name where a topic has records of several types.

    Versions of one type share a subject. What must be refused is offered under that of the schema before it.
    """
    records: dict[str, set[str]] = {}
    for each in needed:
        if not each.refused:
            records.setdefault(each.topic, set()).add(record_name(each.text))
    found: dict[Needed, str] = {}
    subject = ""
    for each in needed:
        if not each.refused:
            subject = subject_of(each.topic, each.text, alone=len(records[each.topic]) == 1)
        found[each] = subject
    return found


def subject_of(topic: str, text: str, *, alone: bool = True) -> str:
    """Name a subject by Confluent's TopicNameStrategy; where the schema is not *alone*, TopicRecordNameStrategy."""
    return f"{topic}-value" if alone else f"{topic}-{record_name(text)}"


async def give_ids(
    access: Access, needed: Sequence[Needed], *, memory: Path, registry: Registry | None = None
) -> Given:
    """Register what is *needed* and give its ids; one registration for each schema and subject, in order.

    RegistryError where the registry refuses a schema, or would take one that it must refuse; RegistryGoneError where
    it is gone and not optional.
    """
    subjects = subjects_of(list(dict.fromkeys(needed)))
    places = {each: (subject, each.text) for each, subject in subjects.items() if not each.refused}
    try:
        async with registry or Registry(access) as client:
            numbers = await _registered(client, subjects)
    except RegistryGoneError as gone:
        if not access.optional:
            raise RegistryGoneError(f"{gone}; start it, or go on without: --registry {access.text},optional") from gone
        return _remembered(access, places, memory, str(gone) if access.urls else "no registry is named")
    remember(memory, access.urls, numbers)
    return Given(_by_file(places, numbers), refused=any(each.refused for each in subjects))


async def _registered(client: Registry, subjects: Mapping[Needed, str]) -> dict[Place, int]:
    """Register all schemas, those of one subject in their order, and see that the registry refuses what it must."""
    room = asyncio.Semaphore(AT_ONCE)
    chains: dict[str, list[Needed]] = {}
    for each, subject in subjects.items():
        chains.setdefault(subject, []).append(each)

    async def one(subject: str, chain: Sequence[Needed]) -> dict[Place, int]:
        found = {}
        async with room:
            for each in chain:
                if each.refused:
                    await _must_refuse(client, subject, each, known=chain[0].file)
                else:
                    found[subject, each.text] = await _register(client, subject, each.text)
        return found

    tasks = [asyncio.ensure_future(one(subject, chain)) for subject, chain in chains.items()]
    try:
        return {place: number for found in await asyncio.gather(*tasks) for place, number in found.items()}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _register(client: Registry, subject: str, text: str) -> int:
    """Register a schema and see that what the registry has under its id is what was registered."""
    number = await client.register(subject, text)
    if not same(await client.by_id(number), text):
        raise RegistryError(
            f"registry {client.access.text}: subject {subject!r}: was given the id {number}, "
            "which is that of another schema"
        )
    return number


async def _must_refuse(client: Registry, subject: str, each: Needed, *, known: str) -> None:
    """Offer a schema that the registry must refuse with 409; its level is asked first, lest it be taken.

    *known* is the file of a schema that the subject has.
    """
    level = await client.level(subject) or await client.level()
    where = f"registry {client.access.text}: subject {subject!r}"
    if level == NO_LEVEL or (await client.judge(subject, each.text)).compatible:
        name = known.removesuffix(".avsc")
        raise RegistryError(
            f"{where}: would take {each.file}, which it must refuse, because its level is {level}; set that with: "
            f"fleet schema register {name} --subject {subject} --level BACKWARD --registry {client.access.text}"
        )
    try:
        await client.register(subject, each.text)
    except RegistryRefusedError as refused:
        if refused.status != CONFLICT:
            raise
        return
    raise RegistryError(
        f"{where}: took {each.file}, which it calls incompatible: a version that it has "
        "already is not refused; let the step deploy another, or write to a topic that never had it"
    )


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
