"""Where in its cycle a machine is, and when it pauses: the most likely path through phases, and through them frozen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Floats, Ints, Singles, State
from fleet.fit.graph import Timeline
from fleet.fit.records import Record
from fleet.fit.templates import Decoded, Seen, always, classes_of, emissions, scales_of, seen_as, template
from fleet.scenario.kind import Kind

STEPS_A_CYCLE = 180
"""Long cycles are decoded at so many steps each."""

ENTER, LEAVE, JUMP = 10.0, 10.0, 25.0
"""What it costs (nats) to stop, to go on at the same phase, to begin a new cycle after a stop."""

PERIOD_RANGE = 5.0
"""A cycle is looked for between a fifth and five times the kind's."""

WANDER = 0.05
"""How far a cycle's length may be from the usual one (1 sigma)."""


def find_period(kind: Kind, record: Record, places: list[int]) -> float:
    """Find the length of a cycle by the autocorrelation of the fast sensors (Wiener-Khinchin), s; 0 for none."""
    usual = usual_period_s(kind)
    scans = record.value.shape[1]
    size = 1 << int(np.ceil(np.log2(2 * scans)))
    power, weight = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1)
    for place in places:
        row = record.value[place]
        known = np.isfinite(row)
        spread = np.std(row[known]) if known.any() else 0.0
        if spread > 0:
            filled = np.where(known, (row - np.mean(row[known])) / spread, 0.0)
            power += np.abs(np.fft.rfft(filled, size)) ** 2
            weight += np.abs(np.fft.rfft(known.astype(np.float64), size)) ** 2
    shared = np.maximum(np.fft.irfft(weight), 1.0)[:scans]
    correlation = np.fft.irfft(power)[:scans] / shared
    if not correlation[0] > 0:
        return 0.0
    correlation /= correlation[0]
    low = max(2, round(usual / PERIOD_RANGE / record.step_s))
    high = min(scans // 3, round(usual * PERIOD_RANGE / record.step_s))
    if high <= low + 2:
        return 0.0
    lags = np.arange(low, high)
    inner = correlation[low:high]
    peak = (inner >= correlation[low - 1 : high - 1]) & (inner >= correlation[low + 1 : high + 1])
    if not peak.any():
        return 0.0
    best = inner[peak].max()
    lag = int(lags[peak & (inner >= best - 0.12 * abs(best))][0])
    if best < 0.1:
        return 0.0
    # The peak's neighbours give it to a fraction of a scan; the peaks of many cycles on are sharper still.
    period = lag + _vertex(correlation, lag)
    for multiple in (2, 4, 8):
        near = round(period * multiple)
        if near + 2 >= scans // 2:
            break
        reach = max(1, round(0.1 * period))
        window = correlation[near - reach : near + reach + 1]
        found = near - reach + int(window.argmax())
        if correlation[found] < 0.5 * correlation[lag]:
            break
        period = (found + _vertex(correlation, found)) / multiple
    return float(period * record.step_s)


def _vertex(curve: Floats, at: int) -> float:
    """Give how far from *at* the vertex of the parabola through its neighbours lies."""
    before, here, after = (float(each) for each in curve[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else min(0.5, max(-0.5, 0.5 * (before - after) / bend))


def usual_period_s(kind: Kind) -> float:
    """Give the kind's own cycle, s."""
    assert kind.cycle is not None, "asked of kinds with a cycle only"
    period = kind.cycle.period
    return kind.parameters[period].value.value if isinstance(period, str) else float(period)


def cyclic(
    kind: Kind, record: Record, places: list[int], parameters: Mapping[str, float], *, period_s: float, first: bool
) -> Decoded:
    """Decode phases and pauses."""
    every = max(1, int(period_s / STEPS_A_CYCLE / record.step_s))
    step_s = every * record.step_s
    advance_steps = max(2.0, 96.0 * step_s / period_s)
    bins = max(8, round(advance_steps * period_s / step_s))
    phase = (np.arange(bins) + 0.5) / bins
    level = np.full(bins, 1.0 if kind.setpoint is None else 0.5 * (kind.setpoint.low + kind.setpoint.high))
    classes = classes_of(kind)
    execute = template(kind, record, places, parameters, State.EXECUTE, phase, level)
    others = np.hstack([template(kind, record, places, parameters, state, np.zeros(1), level[:1]) for state in classes])
    scale = None if first else scales_of(kind, record, places, execute)
    seen = seen_as(record.value[places][:, ::every], execute, others, scale)
    path, frozen = _track(seen, bins, advance=bins * step_s / period_s, cycle_steps=period_s / step_s)
    state = _states(seen, frozen, classes)
    return _linear(record, path, frozen, state, bins, every, period_s)


def _track(seen: Seen, bins: int, *, advance: float, cycle_steps: float) -> tuple[Ints, Bools]:
    """Find the most likely phase bin of every step, and whether it is frozen there."""
    steps = seen.value.shape[1]
    sigma = max(0.35, WANDER * bins / np.sqrt(cycle_steps))
    moves = np.arange(max(0, int(np.floor(advance - 2.5 * sigma))), int(np.ceil(advance + 2.5 * sigma)) + 1)
    moves = moves[:100]
    costs = (0.5 * ((moves - advance) / sigma) ** 2).astype(np.float32)[:, None]
    sources = (np.arange(bins)[None, :] - moves[:, None]) % bins
    came = np.zeros((steps, bins), np.int8)
    thawed = np.zeros((steps, bins), bool)
    stopped = np.zeros((steps, bins), bool)
    restarted = np.full(steps, -1, np.int64)
    going, frozen = np.zeros(bins, np.float32), np.full(bins, -20.0, np.float32)
    chunk = 512
    for start in range(0, steps, chunk):
        stop = min(steps, start + chunk)
        emission = emissions(seen, seen.execute, start, stop)
        pausing = emissions(seen, seen.others, start, stop).max(axis=1)
        for step in range(start, stop):
            reach = going[sources] - costs
            move = reach.argmax(axis=0)
            best = np.take_along_axis(reach, move[None, :], 0)[0]
            from_pause = frozen - LEAVE
            thaw = from_pause > best
            next_going = np.where(thaw, from_pause, best)
            rest = int(frozen.argmax())
            if frozen[rest] - JUMP > next_going[0]:
                next_going[0], restarted[step] = frozen[rest] - JUMP, rest
            halt = going - ENTER > frozen
            frozen = np.where(halt, going - ENTER, frozen) + pausing[step - start]
            going = next_going + emission[step - start]
            came[step], thawed[step], stopped[step] = move, thaw, halt
            top = max(float(going.max()), float(frozen.max()))
            going -= top
            frozen -= top
    return _back(going, frozen, moves, came, thawed, stopped, restarted)


def _back(
    going: Singles,
    frozen: Singles,
    moves: Ints,
    came: NDArray[np.int8],
    thawed: Bools,
    stopped: Bools,
    restarted: Ints,
) -> tuple[Ints, Bools]:
    """Follow the pointers of *_track* from the end to the beginning."""
    steps, bins = came.shape
    path, rests = np.empty(steps, np.int64), np.empty(steps, bool)
    resting = bool(frozen.max() > going.max())
    at = int((frozen if resting else going).argmax())
    for step in range(steps - 1, -1, -1):
        path[step], rests[step] = at, resting
        if resting:
            resting = not stopped[step, at]
        elif at == 0 and restarted[step] >= 0:
            at, resting = int(restarted[step]), True
        elif thawed[step, at]:
            resting = True
        else:
            at = int((at - moves[came[step, at]]) % bins)
    return path, rests


def _states(seen: Seen, frozen: Bools, classes: list[State]) -> Ints:
    """Say of every pause which state it is: the one whose levels fit all of it best."""
    state = np.full(len(frozen), int(State.EXECUTE), np.int64)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frozen, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        fit = emissions(seen, seen.others, start, stop).sum(axis=0)
        state[start:stop] = int(classes[int(fit.argmax())])
    return state


def _linear(record: Record, path: Ints, frozen: Bools, state: Ints, bins: int, every: int, period_s: float) -> Decoded:
    """Turn the path of bins into phases that go evenly through every cycle, on the record's own scans.

    Within a cycle the phase is a straight line of time, so each cycle's beginning is where the line through its
    path crosses the last cycle's end; bins in between, where nothing is seen, need not be trusted.
    """
    step_s = every * record.step_s
    forward = np.diff(path, prepend=path[:1])
    turns = np.cumsum((forward < -bins // 2) & ~frozen)
    unrolled = turns + (path + 0.5) / bins  # cycles since the first beginning
    ran = np.cumsum(~frozen) * step_s  # the time spent executing
    running = ~frozen
    begins = []
    for turn in range(int(turns[-1]) + 1):
        inside = running & (turns == turn)
        if inside.sum() >= 3 and np.ptp(unrolled[inside]) > 0.5:
            slope, start = np.polyfit(ran[inside], unrolled[inside] - turn, 1)
            if slope > 0:
                begins.append((turn, -start / slope, (1.0 - start) / slope))
    knots: dict[int, list[float]] = {}
    for turn, start, stop in begins:
        knots.setdefault(turn, []).append(start)
        knots.setdefault(turn + 1, []).append(stop)
    if not knots:
        return always(record)
    number = np.array(sorted(knots))
    at = np.maximum.accumulate(np.array([np.mean(knots[each]) for each in number.tolist()]))
    scans = record.value.shape[1]
    fine_state = np.repeat(state, every)[:scans]
    fine_state = np.pad(fine_state, (0, scans - len(fine_state)), mode="edge")
    clock = np.cumsum(fine_state == State.EXECUTE) * record.step_s + (step_s - record.step_s)
    before = number[0] - (at[0] - clock) / period_s
    after = number[-1] + (clock - at[-1]) / period_s
    cycles = np.where(clock < at[0], before, np.where(clock > at[-1], after, np.interp(clock, at, number)))
    timeline = Timeline(record.start_us, record.step_s, fine_state, cycles % 1.0, np.zeros(scans, np.int64))
    lengths = np.diff(at)[np.diff(number) == 1]
    usual = float(np.median(lengths)) if len(lengths) >= 3 else period_s
    return Decoded(timeline, at, usual)
