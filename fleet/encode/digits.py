"""Numbers of whole columns as decimal text, the same as Python's ``repr`` writes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Floats, Ints
from fleet.encode.program import SERIAL_DIGITS

DECIMALS_MAX = 6
"""Decimals looked for: sensors' steps have fewer. What has more is written one by one."""

WHOLE_MAX = 1e9
"""Below this, a value times ten to DECIMALS_MAX is a whole number that a double holds exactly."""

_ZERO, _POINT, _MINUS = ord("0"), ord("."), ord("-")
_TENS = 10 ** np.arange(DECIMALS_MAX + 1, dtype=np.int64)


def digit_table(values: Ints) -> tuple[Bytes, Ints]:
    """Write *values*, from 0 to below 10**18, left-aligned; (values, width) and the lengths."""
    width = len(str(int(values.max(initial=0))))
    length = np.ones(len(values), np.int64)
    for place in range(1, width):
        length += values >= 10**place
    table = np.empty((len(values), width), np.uint8)
    # Shifted so that every number's first digit stands first; what stands behind the last is not looked at.
    rest = values * _powers(width - length)
    for place in range(width - 1, -1, -1):
        tenth = rest // 10
        table[:, place] = rest - 10 * tenth + _ZERO
        rest = tenth
    return table, length


def _powers(exponent: Ints) -> Ints:
    table: Ints = 10 ** np.arange(19, dtype=np.int64)
    powers: Ints = table[exponent]
    return powers


def decimal_table(values: Floats) -> tuple[Bytes, Ints]:
    """Write *values* as their shortest decimals, at least one behind the point; (values, width) and the lengths."""
    size = np.abs(values)
    decimals, scaled, done = _decimals(size)
    whole, tail = scaled // _TENS[decimals], scaled % _TENS[decimals]
    head, head_length = digit_table(np.where(done, whole, 0))
    negative = np.signbit(values)
    length = negative + head_length + 1 + decimals
    table = np.empty((len(values), int(length.max(initial=1))), np.uint8)
    for minus in (False, True):
        for digits in np.flatnonzero(np.bincount(head_length)).tolist():
            rows = np.flatnonzero((negative == minus) & (head_length == digits))
            if len(rows):
                _lay(table, rows, head, tail, decimals, minus=minus, digits=digits)
    return _with_others(table, length, values, np.flatnonzero(~done))


def _decimals(size: Floats) -> tuple[Ints, Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Find the fewest decimals, one at least, that give each value back; the scaled value; whether there are any."""
    decimals = np.ones(len(size), np.int64)
    scaled = np.zeros(len(size), np.int64)
    done = np.zeros(len(size), np.bool_)
    fits = (size < WHOLE_MAX) & ((size >= 1e-4) | (size == 0.0))
    open_rows = np.flatnonzero(fits)
    for places in range(1, DECIMALS_MAX + 1):
        if not len(open_rows):
            break
        here = size[open_rows]
        count = np.rint(here * float(_TENS[places]))
        good = count / float(_TENS[places]) == here
        found = open_rows[good]
        decimals[found], scaled[found], done[found] = places, count[good].astype(np.int64), True
        open_rows = open_rows[~good]
    return decimals, scaled, done


def _lay(table: Bytes, rows: Ints, head: Bytes, tail: Ints, decimals: Ints, *, minus: bool, digits: int) -> None:
    """Write the numbers *rows*, which have the same sign and as many *digits* before the point."""
    at = 0
    if minus:
        table[rows, 0] = _MINUS
        at = 1
    table[rows[:, None], np.arange(at, at + digits)] = head[rows, :digits]
    table[rows, at + digits] = _POINT
    for places in np.flatnonzero(np.bincount(decimals[rows])).tolist():
        some = rows[decimals[rows] == places]
        rest = tail[some]
        for place in range(places - 1, -1, -1):
            tenth = rest // 10
            table[some, at + digits + 1 + place] = rest - 10 * tenth + _ZERO
            rest = tenth


def _with_others(table: Bytes, length: Ints, values: Floats, others: Ints) -> tuple[Bytes, Ints]:
    """Write what has no few decimals by itself: very large and very small numbers, and none (null)."""
    if not len(others):
        return table, length
    texts = [repr(value) if np.isfinite(value) else "null" for value in values[others].tolist()]
    width = max(table.shape[1], *map(len, texts))
    wide = np.zeros((len(table), width), np.uint8)
    wide[:, : table.shape[1]] = table
    for row, text in zip(others.tolist(), texts, strict=True):
        wide[row, : len(text)] = np.frombuffer(text.encode(), np.uint8)
        length[row] = len(text)
    return wide, length


def instant_table(times_us: Ints) -> Bytes:
    """Write *times_us* as RFC 3339 text in UTC, without the Z; (times, 26)."""
    table = np.empty(len(times_us), _INSTANT)
    seconds = times_us // 1_000_000
    micros = times_us - seconds * 1_000_000
    table["second"] = _second_texts(seconds)
    table["point"] = b"."
    table["milli"] = _THOUSAND.take(micros // 1000)
    table["micro"] = _THOUSAND.take(micros % 1000)
    return table.view(np.uint8).reshape(-1, _INSTANT.itemsize)


_INSTANT = np.dtype([("second", "S19"), ("point", "S1"), ("milli", "S3"), ("micro", "S3")])
_THOUSAND = np.array([f"{number:03}" for number in range(1000)], "S3")


def _second_texts(seconds: Ints) -> NDArray[np.bytes_]:
    """Write whole *seconds*, those that lie close together by looking them up: numpy takes 0.3 us for a text."""
    if not len(seconds):
        return _said(seconds)
    first, last = int(seconds.min()), int(seconds.max())
    if last - first >= len(seconds):
        return _said(seconds)
    return _said(np.arange(first, last + 1)).take(seconds - first)


def _said(seconds: Ints) -> NDArray[np.bytes_]:
    return np.datetime_as_string(seconds.astype("datetime64[s]")).astype("S19")


def serial_table(values: Ints) -> Bytes:
    """Write *values*, from 0 on, as decimal text of SERIAL_DIGITS, zeros in front; (values, SERIAL_DIGITS)."""
    table = np.empty((len(values), SERIAL_DIGITS // 3), "S3")
    rest, most = values, int(values.max(initial=0))
    for place in range(table.shape[1] - 1, -1, -1):
        if not most:
            table[:, : place + 1] = b"000"
            break
        upper = rest // 1000
        table[:, place] = _THOUSAND.take(rest - 1000 * upper)
        rest, most = upper, most // 1000
    return table.view(np.uint8)
