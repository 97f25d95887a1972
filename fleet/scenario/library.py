"""The scenarios that fleet ships, with their stories: what each is about, and what to expect of it."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.scenario.load import load, scenario_names, shipped_scenarios

EXPECT = "# Expect:"
"""A comment that begins so says what to expect, up to the first line that is none."""


@dataclass(frozen=True, slots=True)
class Story:
    """A scenario as a list has it."""

    name: str
    about: str
    expect: str  # "" where its file does not say
    incidents: int


def stories() -> list[Story]:
    """Give the stories of all scenarios that fleet ships, by name."""
    return [_story(name) for name in scenario_names()]


def _story(name: str) -> Story:
    scenario = load(name)
    return Story(
        name,
        " ".join(scenario.about.split()),
        expected(shipped_scenarios()[name].read_text(encoding="utf-8")),
        len(scenario.incidents),
    )


def expected(text: str) -> str:
    """Give what the comments of a scenario's *text* say to expect."""
    words: list[str] = []
    for line in text.splitlines():
        if line.startswith(EXPECT):
            words = [line.removeprefix(EXPECT).strip()]
        elif words and line.startswith("#"):
            words.append(line.removeprefix("#").strip())
        elif words:
            break
    return " ".join(words)
