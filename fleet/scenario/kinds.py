"""Finding and loading machine kinds: those that fleet ships, and those in a scenario's folder."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path as FilePath

from fleet.errors import Problem, ScenarioError
from fleet.scenario.document import SIZE_MAX, Document, parse, read, refused
from fleet.scenario.forms import Laws
from fleet.scenario.kind import Kind
from fleet.scenario.problems import in_order, validated
from fleet.scenario.references import kind_faults
from fleet.scenario.wording import shown, unknown

IS_KIND = re.compile(rb"^kind[ \t]*:", re.MULTILINE)
NAMES = re.compile(r"[a-z0-9-]{1,100}", re.ASCII)
SUFFIXES = (".yaml", ".yml")
LOOKED_AT_MAX = 200  # files of a folder that are searched for kinds


def load_kind(source: str | FilePath | Traversable, *, laws: Laws | None = None, name: str | None = None) -> Kind:
    """Load the kind file *source*; with *laws*, its signals may use only those; with *name*, it must have that.

    ScenarioError has every problem of the file.
    """
    document = _document(source)
    kind, problems = validated(Kind, document)
    problems += document.problems
    problems += [document.problem(path, text) for path, text in kind_faults(document.data, laws)]
    given = document.data.get("kind") if isinstance(document.data, dict) else None
    if name is not None and isinstance(given, str) and given != name:
        problems.append(document.problem(("kind",), f"must be '{name}' as the file is called, got {shown(given)}"))
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
    found |= {file.stem: file for file in _yaml_files(FilePath(folder)) if _is_kind(file)}
    found |= {file.stem: file for file in _yaml_files(FilePath(folder, "kinds"))}
    return found


def _yaml_files(folder: FilePath) -> list[FilePath]:
    try:
        files = [file for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES][:LOOKED_AT_MAX]
        return [file for file in files if file.is_file()]
    except OSError:  # a folder that is not there or may not be listed has no kinds for us
        return []


def _is_kind(file: FilePath) -> bool:
    try:
        with file.open("rb") as stream:
            return IS_KIND.search(stream.read(SIZE_MAX)) is not None
    except OSError:
        return False


def find_kinds(
    names: Iterable[str], *, folder: str = "", laws: Laws | None = None
) -> tuple[dict[str, Kind], list[Problem], list[str]]:
    """Load the kinds *names*, ours and those in *folder*; unknown names are left out.

    Return the kinds, the problems of their files, and every name that is known.
    """
    shipped, own = _shipped(), _own(folder)
    known: dict[str, FilePath | Traversable] = {**own, **shipped}
    kinds: dict[str, Kind] = {}
    problems: list[Problem] = []
    found: list[str] = []
    for name in dict.fromkeys(names):
        if name not in known:
            if nameless := _nameless(name, folder):
                problems += nameless
                found.append(name)
            continue
        try:
            if name in shipped and name in own:
                _see_that_it_is_ours(name, own[name], shipped[name])
            kinds[name] = load_kind(known[name], laws=laws, name=name)
        except ScenarioError as error:
            problems += error.problems
    return kinds, problems, sorted({*known, *found})


def _see_that_it_is_ours(name: str, own: FilePath, shipped: Traversable) -> None:
    """Refuse a kind file of a user's own that is called as one of ours, unless it is a copy of it."""
    document = _document(own)
    if document.data != _document(shipped).data:
        words = f"must be another name, '{name}' is a kind of fleet's; call it 'my-{name}', and the file"
        raise ScenarioError([document.problem(("kind",), f"{words} my-{name}.yaml")])


def _nameless(name: str, folder: str) -> list[Problem]:
    """Say of a file in *folder* that is called as the unknown kind *name* that it does not say it is one."""
    for suffix in SUFFIXES if folder and NAMES.fullmatch(name) else ():
        file = FilePath(folder, name + suffix)
        if file.is_file():
            return [Problem(str(file), 1, "kind", f"must be given: begin the file with 'kind: {name}'")]
    return []


def kind_named(name: str, *, laws: Laws | None = None) -> Kind:
    """Return the kind *name* that fleet ships; ScenarioError where there is none."""
    kinds, problems, known = find_kinds([name], laws=laws)
    if problems:
        raise ScenarioError(problems)
    if name not in kinds:
        raise refused("kind", unknown("kind", name, known))
    return kinds[name]
