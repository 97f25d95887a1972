"""Where the records of batches begin: a chain of lengths, walked in many places at once.

A record says its length in front, so the next one is found only from the one before. But from any true beginning
the chain can be walked, so it is walked from many: from the beginning of each batch, and within large batches from
places that look like the beginning of a record. A wrong guess costs time and nothing else: a chain counts only if
the one before it ends exactly where it begins, which makes all of them true, one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Ints
from fleet.encode.unpack import PAD, Buffer, octets, pairs_of, varints_at

LANE_RECORDS = 48  # records a chain, about: fewer are more guesses, more are longer chains
BURST = 4  # steps between looks at whether all have ended
STEPS_MAX = 8 * LANE_RECORDS  # of all chains together; who has not ended then goes on alone
WINDOW_BYTES_MAX = 1024  # in which a beginning is looked for
RECORD_BYTES_MIN = 7  # length, attributes, two deltas, no key, no value, no headers


def _advances() -> Ints:
    """By the two bytes a record begins with, where the next one begins: 0 where two bytes do not say it."""
    pair = np.arange(1 << 16)
    low, high = pair & 0xFF, pair >> 8
    long = low > 0x7F
    length = np.where(long, (low & 0x7F) | (high << 7), low)
    told = (length & 1 == 0) & ~(long & (high > 0x7F))
    return np.where(told, 1 + long + (length >> 1), 0)


ADVANCE = _advances()


class _Lanes(NamedTuple):
    """Chains side by side: where each begins, and in which batch."""

    at: Ints
    batch: Ints


def record_starts(data: Buffer, begins: Ints, ends: Ints, counts: Ints) -> tuple[Ints, Bools]:
    """Find the records of batches that lie in *data* from *begins* to *ends* and should be *counts* many.

    Gives where each record begins, of all sound batches, and which batches are sound: as many records as it
    should have fill it exactly. *data* is padded.
    """
    possible = (counts >= 0) & (counts * RECORD_BYTES_MIN <= ends - begins)
    lanes = _lanes(data, begins, ends, np.where(possible, counts, 0))
    stops = np.append(lanes.at[1:], 0)
    last = np.append(lanes.batch[1:] != lanes.batch[:-1], True)
    stops[last] = ends[lanes.batch[last]]
    walked = _walked(data, lanes.at, stops)
    starts, inside = walked[:, :-1], walked[:, :-1] < stops[:, None]
    many = inside.sum(axis=1)
    landings = walked[np.arange(len(stops)), many]
    found = np.zeros(len(begins), np.int64)
    np.add.at(found, lanes.batch, many)
    joined = np.ones(len(begins), np.bool_)
    joined[lanes.batch[landings != stops]] = False
    sound = possible & joined & (found == counts)
    if sound.all():
        return starts[inside], sound
    chains = [row[:count] for row, count in zip(starts, many.tolist(), strict=True)]
    return _mended(data, chains, landings, lanes, ends, np.where(possible, counts, -1))


def _lanes(data: Buffer, begins: Ints, ends: Ints, counts: Ints) -> _Lanes:
    """Choose where to begin."""
    many = np.maximum(counts // LANE_RECORDS, 1)
    batch = np.repeat(np.arange(len(begins)), many)
    nth = np.arange(len(batch)) - np.repeat(np.cumsum(many) - many, many)
    at = begins[batch] + nth * (ends - begins)[batch] // many[batch]
    guessed = np.flatnonzero(nth)
    if guessed.size:
        mean = int(((ends - begins) // np.maximum(counts, 1)).max())
        window = min(mean + mean // 4 + 16, WINDOW_BYTES_MAX)
        at[guessed] = _guessed(data, at[guessed], ends[batch[guessed]], window)
    kept = at >= 0
    # Two windows may have found the same place.
    kept[1:] &= (at[1:] > np.maximum.accumulate(at)[:-1]) | (nth[1:] == 0)
    return _Lanes(at[kept], batch[kept])


def _guessed(data: Buffer, at: Ints, ends: Ints, window: int) -> Ints:
    """Find behind each of *at* the first place from which records seem to follow one another, or -1.

    Every record has a zero, its attributes, behind its length, and the next offset has mostly the next record.
    """
    octet, pairs, limit = octets(data), pairs_of(data), len(data) - PAD
    at = np.minimum(at, len(data) - window)
    windows = np.ndarray((len(data) - window + 1,), np.dtype(f"V{window}"), data, 0, (1,))[at]
    lane, place = np.nonzero(windows.view(np.uint8).reshape(len(at), window) == 0)
    zero = at[lane] + place
    start = zero - 1 - (octet[zero - 2] >= 0x80)
    fits = (octet[zero - 1] < 0x80) & (start >= at[lane]) & (zero < ends[lane])
    lane, start = lane[fits], start[fits]
    follow = start + ADVANCE[pairs[start]]
    fits = (follow >= start + RECORD_BYTES_MIN) & (follow < ends[lane])
    lane, start, follow = lane[fits], start[fits], follow[fits]
    fits = octet[follow + 1 + (octet[follow] >= 0x80)] == 0
    lane, start, follow = lane[fits], start[fits], follow[fits]
    delta = _offset_delta(data, start)
    fits = _offset_delta(data, follow) == delta + 1
    lane, start, delta, follow = lane[fits], start[fits], delta[fits], follow[fits]
    follow = np.minimum(follow + ADVANCE[pairs[follow]], limit)
    fits = (follow == ends[lane]) | (_offset_delta(data, follow) == delta + 2)
    lane, start = lane[fits], start[fits]
    found = np.full(len(at), -1)
    found[lane[::-1]] = start[::-1]  # the first of each lane is written last
    return found


def _offset_delta(data: Buffer, at: Ints) -> Ints:
    """Read the third field of the records that may begin *at*, whatever it is."""
    limit = len(data) - PAD
    at = np.minimum(at + 2 + (octets(data)[at] >= 0x80), limit)
    at = np.minimum(varints_at(data, at)[1], limit)
    return varints_at(data, at)[0]


def _walked(data: Buffer, at: Ints, stops: Ints) -> Ints:
    """Walk all chains from *at*: (chains, steps) beginnings of records, to the first one not before *stops* and on.

    A chain that comes to what is no length is behind all data from there on. One that is too long stops early.
    """
    pairs, limit = pairs_of(data), len(data) - PAD
    steps = [at]
    while (at < stops).any() and len(steps) < STEPS_MAX:
        before = at
        for _ in range(BURST):
            ahead = ADVANCE[pairs[at]]
            at = np.minimum(at + ahead, limit)
            steps.append(at)
        if not ahead.all():
            # A chain does not go on by itself: once more from where all of them did.
            del steps[-BURST:]
            at = before
            for _ in range(BURST):
                ahead = ADVANCE[pairs[at]]
                lost = np.flatnonzero(ahead == 0)
                ahead[lost] = [step(data, place) - place for place in at[lost].tolist()]
                at = np.minimum(at + ahead, limit)
                steps.append(at)
    return np.stack(steps, axis=1)


def _mended(
    data: Buffer, chains: list[Ints], landings: Ints, lanes: _Lanes, ends: Ints, counts: Ints
) -> tuple[Ints, Bools]:
    """Put the chains together where not all fit: those that do count, between them one goes step by step."""
    sound = np.zeros(len(ends), np.bool_)
    found: list[Ints] = []
    edges = np.searchsorted(lanes.batch, np.arange(len(ends) + 1))
    for batch, (first, stop) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if counts[batch] < 0:
            continue
        here = _joined(data, chains[first:stop], landings[first:stop], lanes.at[first:stop], int(ends[batch]))
        if here is not None and len(here) == counts[batch]:
            sound[batch] = True
            found.append(here)
    return np.concatenate([np.zeros(0, np.int64), *found]), sound


def _joined(data: Buffer, chains: list[Ints], landings: Ints, at: Ints, end: int) -> Ints | None:
    """Join the chains of one batch; None where its records do not fill it."""
    pieces: list[Ints] = []
    expected = int(at[0])
    for lane, begin in enumerate([*at.tolist(), end]):
        alone = []
        while expected < begin:
            alone.append(expected)
            expected = step(data, expected)
        pieces.append(np.array(alone, np.int64))
        if lane < len(at) and expected == begin:
            pieces.append(chains[lane])
            expected = int(landings[lane])
    return np.concatenate(pieces) if expected == end else None


def step(data: Buffer, at: int) -> int:
    """Give where the record *at* ends; a place behind all data where it has no length."""
    folded = shift = 0
    for place in range(at, min(at + 5, len(data))):
        byte = data[place]
        folded |= (byte & 0x7F) << shift
        if byte < 0x80:
            return place + 1 + (folded >> 1) if folded & 1 == 0 else len(data)
        shift += 7
    return len(data)
