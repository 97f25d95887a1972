"""The ids of many machines in few words: ``filling-pump-001..004`` stands for four."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NUMBERED = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)
RANGED = re.compile(r"(.*?)(\d{1,9})\.\.(\d{1,9})", re.DOTALL)


def written_names(ids: Sequence[str]) -> list[str]:
    """Write *ids*, of which neighbours often differ by one in the number that ends them, as single ids and ranges.

    An id that reads as a range itself makes all of them single; `names_of` gives back what was written, in order.
    """
    if any(not each or RANGED.fullmatch(each) for each in ids):
        return ["", *ids]
    written: list[str] = []
    stem, first, last = "", "", ""
    for each in ids:
        parts = NUMBERED.fullmatch(each)
        if parts is not None and last and parts[1] == stem and parts[2] == _next(last):
            last = parts[2]
            written[-1] = f"{stem}{first}..{last}"
            continue
        stem, first = (parts[1], parts[2]) if parts is not None else ("", "")
        last = first
        written.append(each)
    return written


def names_of(written: Iterable[str]) -> list[str]:
    """Give the ids that `written_names` wrote."""
    words = list(written)
    if words[:1] == [""]:
        return words[1:]
    ids: list[str] = []
    for word in words:
        parts = RANGED.fullmatch(word)
        if parts is None:
            ids.append(word)
            continue
        first, last = int(parts[2]), int(parts[3])
        ids += [f"{parts[1]}{number:0{len(parts[2])}d}" for number in range(first, last + 1)]
    return ids


def _next(number: str) -> str:
    return f"{int(number) + 1:0{len(number)}d}"
