"""Pydantic's errors to problems in our words, each on its line."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from fleet.errors import Problem
from fleet.scenario.wording import Path, shortened, shown, unknown

if TYPE_CHECKING:  # who expands a scenario comes here for words alone and needs no YAML
    from fleet.scenario.document import Document

M = TypeVar("M", bound=BaseModel)

# What must hold where pydantic itself refused a value, by its error type.
HOLDS = {
    "string_type": "must be text",
    "string_too_short": "must be text that is not empty",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}
SILENT = {"default_factory_not_called"}  # follows from another error of the same model


def validated(model: type[M], document: Document) -> tuple[M | None, list[Problem]]:
    """Validate *document* as *model*; return it, or None and every problem."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        found = faults(model, error)
        return None, [document.problem(path, text) for path, text in found]


def faults(model: type[BaseModel], error: ValidationError) -> list[tuple[Path, str]]:
    """Return the path and the message of every fault in *error*, which validating *model* raised."""
    found = []
    for detail in error.errors(include_url=False):
        if detail["type"] not in SILENT:
            path = tuple(part for part in detail["loc"] if part != "[key]")
            found.append((path, _text(model, path, dict(detail))))
    return found


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort *problems* by line, those of arguments last, and drop repetitions."""
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (problem.file.startswith("--set"), problem.file, problem.line))


def _text(model: type[BaseModel], path: Path, detail: dict[str, Any]) -> str:
    kind, context, found = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "fleet":
        return str(context["text"])
    if kind == "missing":
        return "must be given"
    if kind == "extra_forbidden":
        return unknown("key", str(path[-1]), keys_at(model, path[:-1]))
    if kind in HOLDS:
        return f"{HOLDS[kind]}, got {shown(found)}"
    return f"must be something else ({shortened(kind)}), got {shown(found)}"


def keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that the part of *model* at *path* knows."""
    at: Any = model
    for part in path:
        at = _inside(at, part)
    at = _plain(at)
    if isinstance(at, type) and issubclass(at, BaseModel):
        return [field.alias or name for name, field in at.model_fields.items()]
    return []


def _inside(annotation: Any, part: str | int) -> Any:
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part == (field.alias or name):
                return field.annotation
        return None
    inner = [each for each in typing.get_args(annotation) if each is not Ellipsis]
    return inner[-1] if inner else None


def _plain(annotation: Any) -> Any:
    """Take ``Annotated`` and ``| None`` off *annotation*."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if origin in (typing.Union, UnionType):
        some = [each for each in typing.get_args(annotation) if each is not type(None)]
        return _plain(some[0])
    return annotation
