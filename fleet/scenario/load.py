"""Loading a scenario: a file, or one that fleet ships, to a checked model; every problem at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic_core import PydanticCustomError

from fleet.errors import Problem, ScenarioError
from fleet.scenario.checks import kind_names, scenario_faults
from fleet.scenario.document import Document, parse, read, refused, set_values
from fleet.scenario.expansion import expand
from fleet.scenario.fields import moment, whole
from fleet.scenario.forms import Laws
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import find_kinds
from fleet.scenario.model import SEED_MAX, Scenario
from fleet.scenario.own import own_records, own_steps
from fleet.scenario.problems import in_order, validated
from fleet.scenario.quantities import DURATION, YEARS_MAX, bounded
from fleet.scenario.scripted import Fault
from fleet.scenario.wording import Path, shortened, unknown

SUFFIXES = (".yaml", ".yml")


def load(source: str | FilePath, *, settings: Sequence[str] = (), laws: Laws | None = None) -> Scenario:
    """Load the scenario *source*, a file or the name of one that fleet ships.

    *settings* are values like ``lines[0].count=100`` that replace those of the file. *laws* are
    handed to the kinds. ScenarioError has every problem, in order of their lines.
    """
    document, folder = find(source)
    return check(set_values(document, settings), folder=folder, laws=laws)


def load_text(source: str | Mapping[str, Any], *, settings: Sequence[str] = (), laws: Laws | None = None) -> Scenario:
    """Load a scenario from its YAML text, or from the same as a mapping; problems name the lines of the text."""
    try:
        text = source if isinstance(source, str) else json.dumps(source, indent=1)  # which is YAML
    except (TypeError, ValueError) as error:
        raise refused("scenario", f"must hold text, numbers, lists and mappings only: {error}") from None
    return check(set_values(parse(text.encode(), file="scenario"), settings), laws=laws)


def check(document: Document, *, folder: str = "", laws: Laws | None = None) -> Scenario:
    """Return the scenario in *document*, whose own kinds stand in *folder*."""
    if document.data is None:
        raise refused(document.file, "must be a scenario, is empty; 'fleet init' writes one")
    scenario, problems = validated(Scenario, document)
    kinds, of_kinds, known = find_kinds(kind_names(document.data), folder=folder, laws=laws)
    problems += document.problems
    own, of_own = own_records(document.data, folder=folder)
    steps, of_steps = own_steps(document.data, folder=folder)
    problems += [
        document.problem(*fault)
        for fault in [*scenario_faults(document.data, kinds, known, laws=laws), *of_own, *of_steps]
    ]
    if scenario is None or problems or of_kinds:
        raise ScenarioError([*in_order(problems), *of_kinds])
    scenario._file, scenario._folder, scenario._own = document.file, folder, own
    scenario._own_steps = steps
    paths: list[Path] = [("evolution", place, "schema") for place in range(len(steps))]
    scenario._step_places = tuple(document.problem(path, "") for path in paths)
    if scenario.incidents or scenario.evolution:  # what they are for is known when all machines are
        faults = expand(scenario, kinds).script.faults
        if faults:
            raise ScenarioError(in_order(_located(document, fault) for fault in faults))
    return scenario


def _located(document: Document, fault: Fault) -> Problem:
    """Locate the *fault* of an incident, and the other incident that it names."""
    if not fault.other:
        return document.problem(fault.path, fault.text)
    other = document.problem(fault.other, "")
    return document.problem(fault.path, f"{fault.text}; see {other.path} in line {other.line}")


def with_arguments(
    scenario: Scenario,
    *,
    seed: int | None = None,
    start: str | None = None,
    duration: str | None = None,
) -> Scenario:
    """Return *scenario* with what the arguments ``--seed``, ``--start`` and ``--for`` give in place of its own.

    ScenarioError has every argument that is wrong.
    """
    given: dict[str, tuple[str, Callable[[], Any]]] = {}
    if seed is not None:
        given["seed"] = ("--seed", lambda: whole("a seed", least=0, most=SEED_MAX)(seed))
    if start is not None:
        given["start"] = ("--start", lambda: moment(start))
    if duration is not None:
        given["duration"] = ("--for", lambda: bounded(DURATION, above=0, most=YEARS_MAX)(duration))
    update: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, (argument, value) in given.items():
        try:
            update[name] = value()
        except PydanticCustomError as error:
            problems.append(Problem(argument, 0, "", error.message()))
    if "duration" in update:
        update["stop"] = None
    elif scenario.stop is not None and (begin := update.get("start")) is not None and begin >= scenario.stop:
        problems.append(Problem("--start", 0, "", f"must be before the scenario's stop, {scenario.stop}, got {start}"))
    if problems:
        raise ScenarioError(problems)
    return scenario.model_copy(update=update)


def kinds_for(scenario: Scenario, *, laws: Laws | None = None) -> dict[str, Kind]:
    """Return the kinds that *scenario* uses by name; one in its own folder goes before ours."""
    names = [entry.kind for line in scenario.lines for entry in line.machines]
    kinds, problems, known = find_kinds(names, folder=scenario.folder, laws=laws)
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if missing:
        raise refused(scenario.file or scenario.name, unknown("kind", missing[0], known))
    if problems:
        raise ScenarioError(problems)
    return kinds


def find(source: str | FilePath) -> tuple[Document, str]:
    """Read the document *source* means; also return the folder it stands in."""
    path = FilePath(source)
    name = str(source)
    looks_like_path = isinstance(source, FilePath) or name.endswith(SUFFIXES) or "/" in name or "\\" in name
    shipped = shipped_scenarios()
    if not looks_like_path and not _is_file(path):
        if name in shipped:
            file = shipped[name]
            return parse(file.read_bytes(), file=f"scenarios/{name}.yaml"), str(file.parent)
        if not _exists(path):
            words = unknown("scenario", name, sorted(shipped))
            raise refused(shortened(name) or "scenario", f"no such file, and {words}")
    return read(path), str(path.parent)


def scenario_names() -> list[str]:
    """Return the names of the scenarios that come with fleet."""
    return sorted(shipped_scenarios())


def shipped_scenarios() -> dict[str, FilePath]:
    """Return our scenarios: beside the package in the tree, inside it when installed."""
    tree = FilePath(__file__).parents[2]
    folders = [FilePath(__file__).parents[1] / "scenarios"]
    if (tree / "pyproject.toml").is_file():
        folders.append(tree / "scenarios")
    return {file.stem: file for folder in folders if folder.is_dir() for file in folder.glob("*.yaml")}


def _is_file(path: FilePath) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _exists(path: FilePath) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
