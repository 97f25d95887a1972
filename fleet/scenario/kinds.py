"""Finding and loading machine kinds: those that fleet ships, and those in a scenario's folder."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path as FilePath

from fleet.errors import Problem, ScenarioError
from fleet.scenario.document import SIZE_MAX, Document, parse, read, refused
from fleet.scenario.kind import Kind
from fleet.scenario.problems import in_order, validated
from fleet.scenario.references import Laws, kind_faults
from fleet.scenario.wording import unknown

IS_KIND = re.compile(rb"^kind[ \t]*:", re.MULTILINE)
LOOKED_AT_MAX = 200  # files of a folder that are searched for kinds


def load_kind(source: str | FilePath | Traversable, *, laws: Laws | None = None) -> Kind:
    """Load the kind file *source*; with *laws*, its signals may use only those.

    ScenarioError has every problem of the file.
    """
    document = _document(source)
    kind, problems = validated(Kind, document)
    problems += document.problems
    problems += [document.problem(path, text) for path, text in kind_faults(document.data, laws)]
    if kind is None or problems:
        raise ScenarioError(in_order(problems))
    return kind


def _document(source: str | FilePath | Traversable) -> Document:
    if isinstance(source, str | FilePath):
        return read(FilePath(source))
    return parse(source.read_bytes(), file=str(source))


def shipped_kinds() -> list[str]:
    """Return the names of the kinds that come with fleet."""
    return sorted(_shipped())


def _shipped() -> dict[str, Traversable]:
    folder = importlib.resources.files("fleet") / "kinds"
    if not folder.is_dir():
        return {}
    return {file.name[:-5]: file for file in folder.iterdir() if file.name.endswith(".yaml")}


def _own(folder: str) -> dict[str, FilePath]:
    """Return the kind files in *folder* and in its folder ``kinds``."""
    found: dict[str, FilePath] = {}
    if not folder:
        return found
    try:
        for file in sorted(FilePath(folder).glob("*.yaml"))[:LOOKED_AT_MAX]:
            if file.is_file() and _is_kind(file):
                found[file.stem] = file
        for file in sorted(FilePath(folder, "kinds").glob("*.yaml"))[:LOOKED_AT_MAX]:
            found[file.stem] = file
    except OSError:  # a folder that may not be listed has no kinds for us
        pass
    return found


def _is_kind(file: FilePath) -> bool:
    try:
        with file.open("rb") as stream:
            return IS_KIND.search(stream.read(SIZE_MAX)) is not None
    except OSError:
        return False


def find_kinds(
    names: Iterable[str], *, folder: str = "", laws: Laws | None = None
) -> tuple[dict[str, Kind], list[Problem], list[str]]:
    """Load the kinds *names*, those in *folder* before ours; unknown names are left out.

    Return the kinds, the problems of their files, and every name that is known.
    """
    known: dict[str, FilePath | Traversable] = {**_shipped(), **_own(folder)}
    kinds: dict[str, Kind] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        if name not in known:
            continue
        try:
            kind = load_kind(known[name], laws=laws)
            if kind.kind != name:
                raise refused(str(known[name]), f"kind: must be '{name}' as the file is called, got '{kind.kind}'")
            kinds[name] = kind
        except ScenarioError as error:
            problems += error.problems
    return kinds, problems, sorted(known)


def kind_named(name: str, *, laws: Laws | None = None) -> Kind:
    """Return the kind *name* that fleet ships; ScenarioError where there is none."""
    kinds, problems, known = find_kinds([name], laws=laws)
    if problems:
        raise ScenarioError(problems)
    if name not in kinds:
        raise refused("kind", unknown("kind", name, known))
    return kinds[name]
