"""The words of messages about files: paths, what was found, the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

Path = tuple[str | int, ...]

SHOWN_MAX = 60  # characters of a found value that a message repeats


def path_text(path: Sequence[str | int]) -> str:
    """Write *path* as users write it: ``lines[0].machines[2].set.vibration.period``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{shortened(part)}" if text else shortened(part)
    return text


def shown(value: object) -> str:
    """Show a *value* found in a file: text in quotes, the rest as YAML writes it, never long."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = shortened(str(value))
    return f"'{text}'" if isinstance(value, str) else text


def shortened(text: str) -> str:
    """Cut *text* to one line that a message can carry; what a terminal would obey is written out."""
    some = text[: SHOWN_MAX + 1]
    line = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in some)
    return line if len(line) <= SHOWN_MAX else line[: SHOWN_MAX - 3] + "..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown *word*: the nearest *known* one, or all of a few."""
    names = [shortened(name) for name in dict.fromkeys(known)]
    lower = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.lower()[:200], lower, n=1)
    if near:
        return f"; did you mean '{lower[near[0]]}'?"
    if not names:
        return ""
    return f"; known: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Write the message about an unknown *word*, which should have been a *what*."""
    return f"unknown {what} '{shortened(word)}'{did_you_mean(word, known)}"


MISSPELT = 0.75
"""How alike a misspelt word and the right one are at least, as difflib says; `nroth` and `north` are 0.8."""


def misspelt(word: str, known: Iterable[str]) -> str:
    """Return the *known* name that *word* is most likely meant to be; empty where it may well be a name of its own.

    Names that differ in their last character or in digits only are taken as numbered, and as different.
    """
    for name in difflib.get_close_matches(word[:200], known, n=3, cutoff=MISSPELT):
        plain, other = (each.rstrip("0123456789").rstrip("-_") for each in (word, name))
        if plain != other and plain[:-1] != other[:-1]:
            return shortened(name)
    return ""
