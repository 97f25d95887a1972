"""Counted buffers: when a station between two buffers must pause or may go on, in closed form.

Parts are not moved. While a station executes, its counts are staircases of time: the n-th cycle
ends, and the next begins, at ``start + n * period``. So the instant at which a buffer is full or
empty follows from two staircases, and nothing happens in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.sim.calendar import NEVER_US


@dataclass(slots=True)
class Counts:
    """What a station has done so far: a staircase while *running*, a constant otherwise.

    *done* parts were finished at *start_us*, where the current cycle begins, and *scrap* of them were bad;
    *elapsed_us* of a cycle are done while it stands still; *inside* is 1 while a part is in the machine. The
    *next_scrap*-th part will be bad; further ones are not known before that one is counted.
    """

    running: bool = False
    start_us: int = 0
    period_us: int = 1
    done: int = 0
    inside: int = 0
    scrap: int = 0
    next_scrap: int = NEVER_US
    elapsed_us: int = 0

    def resume(self, now_us: int) -> None:
        """Go on with the cycle that was left, or begin one."""
        self.running, self.inside = True, 1
        self.start_us, self.elapsed_us = now_us - self.elapsed_us, 0

    def freeze(self, now_us: int, inside: int) -> None:
        """Stop the running staircase, *inside* of the machine 1 part or none."""
        self.elapsed_us = (now_us - self.start_us) % self.period_us
        self.done, self.running, self.inside = self.done_at(now_us), False, inside
        assert self.done < self.next_scrap, "a bad part is counted before anything else of its instant"

    def cycle_us(self, now_us: int) -> int:
        """Say when the current cycle began, or would have if it had not been left meanwhile."""
        return self.start_us if self.running else now_us - self.elapsed_us

    def done_at(self, time_us: int) -> int:
        """Count the parts finished up to and including *time_us*."""
        return self.done + (time_us - self.start_us) // self.period_us if self.running else self.done

    def good_at(self, time_us: int) -> int:
        """Count the good parts finished up to and including *time_us*, which is not after the next bad one's end."""
        done = self.done_at(time_us)
        return done - self.scrap - (done >= self.next_scrap)

    def end_us(self, part: int) -> int:
        """Say when the running station finishes its *part*-th part, as far as its period goes on as it is."""
        return self.start_us + (part - self.done) * self.period_us if part < NEVER_US else NEVER_US

    def begun_at(self, time_us: int) -> int:
        """Count the parts taken in up to and including *time_us*."""
        return self.done_at(time_us) + self.inside


@dataclass(slots=True)
class Buffer:
    """Room for parts between two stations; *above* and *below* are their counts."""

    capacity: int
    initial: int
    above: Counts
    below: Counts

    @property
    def restart(self) -> int:
        """How far a full or empty buffer must recover before a paused station goes on.

        An accumulation conveyor has two photo-eyes; without the distance between them a fast
        station would stop and start once a part.
        """
        return max(1, self.capacity // 4)

    def level_at(self, time_us: int) -> int:
        """Count the parts in the buffer at *time_us*."""
        return self.initial + self.above.good_at(time_us) - self.below.begun_at(time_us)


def _first(n_min: int, gain: int, bound: int) -> int | None:
    """Find the first whole n >= *n_min* with ``n * gain > bound``."""
    if gain > 0:
        return max(n_min, bound // gain + 1)
    return n_min if n_min * gain > bound else None


def _next_cycle(counts: Counts, now_us: int) -> int:
    """Give the number of the cycle that begins next, one that begins this instant included."""
    return -((counts.start_us - now_us) // counts.period_us)


def starved_us(buffer: Buffer, now_us: int) -> int:
    """Say when the running station below *buffer* finds nothing to begin its next cycle with."""
    above, below = buffer.above, buffer.below
    n_min = max(1, _next_cycle(below, now_us))
    spare = buffer.initial + above.done - above.scrap - below.done - below.inside
    if not above.running:
        return below.start_us + max(n_min, spare + 1) * below.period_us
    found_us = _starved_us(above, below, spare, n_min)
    bad_us = above.end_us(above.next_scrap)
    if found_us < bad_us:
        return found_us
    if bad_us >= NEVER_US:
        return found_us
    # From the bad part on there is one part less.
    return _starved_us(above, below, spare - 1, max(n_min, -((below.start_us - bad_us) // below.period_us)))


def _starved_us(above: Counts, below: Counts, spare: int, n_min: int) -> int:
    """Say from cycle *n_min* on when *below* finds nothing, with *spare* parts that need not come from *above*."""
    bound = below.start_us - above.start_us + spare * above.period_us
    n = _first(n_min, above.period_us - below.period_us, bound)
    return NEVER_US if n is None else below.start_us + n * below.period_us


def blocked_us(buffer: Buffer, now_us: int) -> int:
    """Say when the running station above *buffer* fills it with the part it finishes, if it makes no bad one before.

    That is now where the station has just gone on for room that the one below, blocked itself at this
    very instant, did not make after all.
    """
    above, below = buffer.above, buffer.below
    n_min = _next_cycle(above, now_us)
    room = buffer.capacity - (buffer.initial + above.done - above.scrap - below.done - below.inside)
    if below.running:
        bound = above.start_us - below.start_us + (room - 1) * below.period_us
        n = _first(n_min, below.period_us - above.period_us, bound)
    else:
        n = max(n_min, room)
    return NEVER_US if n is None else above.start_us + n * above.period_us


def holds_us(buffer: Buffer, parts: int, now_us: int) -> int:
    """Say when *buffer* holds at least *parts*, its lower station standing still; later where bad ones come."""
    missing = parts - buffer.level_at(now_us)
    if missing <= 0:
        return now_us
    above = buffer.above
    if not above.running:
        return NEVER_US
    return above.start_us + (above.done_at(now_us) - above.done + missing) * above.period_us


def has_room_us(buffer: Buffer, parts: int, now_us: int) -> int:
    """Say when *buffer* has room for at least *parts*, its upper station standing still."""
    excess = buffer.level_at(now_us) - (buffer.capacity - parts)
    if excess <= 0:
        return now_us
    below = buffer.below
    if not below.running:
        return NEVER_US
    return below.start_us + (below.done_at(now_us) - below.done + excess) * below.period_us
