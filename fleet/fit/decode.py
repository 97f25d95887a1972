"""What a machine did, read off its fast sensors: running or not, where in its cycle, at which setpoint.

The most likely path through hidden states whose emissions are the kind's own laws (Viterbi; Rabiner, "A tutorial on
hidden Markov models", Proc. IEEE 77, 1989). A hidden state is a phase of the cycle while executing, or the same
phase frozen while not; without a cycle it is a level of the setpoint, or a state that is not executing. At first the
kind's levels are not yet those of the machine, so its template is stretched onto the readings' own quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Floats, Ints, Singles, State
from fleet.fit.graph import Timeline, absent, evaluate, inputs_of, levels_of, understood
from fleet.fit.records import Record
from fleet.fit.turns import turns_of
from fleet.scenario.kind import Kind

STEPS_A_CYCLE = 180
"""Long cycles are decoded at so many steps each."""

CLIP = 8.0
"""Most that one reading may speak against a hidden state (nats): it may be an outlier."""

ENTER, LEAVE, JUMP = 10.0, 10.0, 25.0
"""What it costs (nats) to stop, to go on at the same phase, to begin a new cycle after a stop."""

SWITCH = 30.0
"""What a change of setpoint costs (nats)."""

LEVELS = 41
RECIPE_PHASES = 64
SHORT_S = 60.0
"""A stretch of a setpoint or a pause shorter than this is a transition, no stretch of its own."""

PERIOD_RANGE = 5.0
"""A cycle is looked for between a fifth and five times the kind's."""

WANDER = 0.05
"""How far a cycle's length may be from the usual one (1 sigma)."""

ORDER = (State.HELD, State.IDLE, State.SUSPENDED, State.STOPPED, State.ABORTED)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The timeline of a machine, its cycles' beginnings (s since the first scan) and how it was found."""

    timeline: Timeline
    begins_s: Floats
    period_s: float  # 0 without a cycle
    fill_s: Floats | None = None  # of a receiver, one for each turn


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The fast sensors of a record, standardised against templates: (sensors, steps), and (sensors, hidden)."""

    value: Floats
    execute: Floats
    others: Floats  # (sensors, classes)
    scale: Floats  # (sensors,)


def fast_sensors(kind: Kind, record: Record) -> list[int]:
    """Give the sensors that show at once what a machine does: no slow node and no air goes into their signals."""
    found = []
    for place, name in enumerate(record.sensors):
        signal = kind.sensors[name].signal
        inputs = inputs_of(kind, signal)
        if understood(kind, signal) or "ambient" in inputs or "time" in inputs or inputs & kind.nodes.keys():
            continue
        if inputs & kind.drives.keys():
            found.append(place)
    return found


def classes_of(kind: Kind) -> list[State]:
    """Give the states other than EXECUTE that differ from one another in what drives the machine."""
    seen: dict[tuple[object, ...], State] = {}
    for state in ORDER:
        levels = tuple(drive.levels[state] for drive in kind.drives.values())
        seen.setdefault(levels, state)
    return list(seen.values())


def template(
    kind: Kind,
    record: Record,
    places: list[int],
    parameters: Mapping[str, float],
    state: State,
    phase: Floats,
    level: Floats,
) -> Floats:
    """Give what the sensors *places* show in *state* at *phase* and setpoint *level*; (sensors, len(phase))."""
    given: dict[str, Floats | float] = {"ambient": 22.0, "level": level, "phase": phase, "time": 0.0, **parameters}
    given |= absent(kind)
    index = list(State).index(state)
    for name, drive in kind.drives.items():
        value = list(levels_of(drive, phase))[index]
        given[name] = value * level if drive.setpoint else value + np.zeros(len(phase))
    signals = [kind.sensors[record.sensors[place]].signal for place in places]
    wanted = frozenset[str]().union(*(inputs_of(kind, signal) for signal in signals))
    values = evaluate(kind, given, wanted)
    return np.stack([np.broadcast_to(values[signal], len(phase)) for signal in signals])


def decode(kind: Kind, record: Record, parameters: Mapping[str, float], *, period_s: float, first: bool) -> Decoded:
    """Read off what *record*'s machine did.

    *parameters* are the kind's own the *first* time, later those fitted to the machine. *period_s* is its usual
    cycle, 0 to find it.
    """
    if kind.receiver is not None:
        turns = turns_of(kind, record)
        return _always(record) if turns is None else Decoded(turns.timeline, np.zeros(0), 0.0, turns.fill_s)
    places = fast_sensors(kind, record)
    if not places:
        return _always(record)
    if kind.cycle is None:
        return _steady(kind, record, places, parameters, first=first)
    steered = [place for place in places if _steered(kind, kind.sensors[record.sensors[place]].signal)]
    steady = [place for place in places if place not in steered] or places
    if not period_s:
        period_s = find_period(kind, record, steady)
    if not period_s:
        return _always(record)
    found = _cyclic(kind, record, steady, parameters, period_s=period_s, first=first)
    return _with_recipes(kind, record, steered, parameters, found, first=first) if steered else found


def _steered(kind: Kind, signal: str) -> bool:
    """Say whether the setpoint goes into *signal*."""
    inputs = inputs_of(kind, signal)
    return kind.setpoint is not None and (
        "level" in inputs or any(kind.drives[name].setpoint for name in inputs & kind.drives.keys())
    )


def _always(record: Record) -> Decoded:
    """Take a machine of which nothing can be read off as executing throughout."""
    scans = record.value.shape[1]
    zeros = np.zeros(scans, np.int64)
    timeline = Timeline(record.start_us, record.step_s, zeros + State.EXECUTE, np.zeros(scans), zeros)
    return Decoded(timeline, np.zeros(0), 0.0)


# ---- templates onto readings


def _seen(value: Floats, execute: Floats, others: Floats, scale: Floats | None) -> _Seen:
    """Stretch the templates onto the readings' quantiles where *scale* is not known yet."""
    if scale is not None:
        return _Seen(value, execute, others, scale)
    running = _may_run(value, execute, others)
    execute, others, scales = execute.copy(), others.copy(), np.ones(len(value))
    for place, row in enumerate(value):
        data = row[running & np.isfinite(row)]
        if len(data) < 10:
            data = row[np.isfinite(row)]
        low, middle, high = np.quantile(data, [0.1, 0.5, 0.9]) if len(data) else (0.0, 1.0, 1.0)
        t_low, t_middle, t_high = np.quantile(execute[place], [0.1, 0.5, 0.9])
        ratio = middle / t_middle if abs(t_middle) > 1e-9 and middle * t_middle > 0 else _ratio(high, t_high)
        others[place] *= ratio
        if t_high - t_low > 0.02 * max(abs(t_high), abs(t_low)):
            stretch = (high - low) / (t_high - t_low)
            execute[place] = low + (execute[place] - t_low) * stretch
        else:
            execute[place] *= ratio
        scales[place] = max(0.12 * (high - low) + 0.04 * abs(middle), 2 * _scatter(row)) + 1e-9
    return _Seen(value, execute, others, scales)


def _scatter(row: Floats) -> float:
    """Give how far neighbouring readings scatter (1 sigma)."""
    jumps = np.abs(np.diff(row[np.isfinite(row)]))
    return float(1.4826 * np.median(jumps) / np.sqrt(2)) if len(jumps) else 0.0


def _ratio(high: float, t_high: float) -> float:
    return float(high / t_high) if abs(t_high) > 1e-9 and high * t_high > 0 else 1.0


def _may_run(value: Floats, execute: Floats, others: Floats) -> Bools:
    """Split the scans into two levels by the sensors that are 0 unless the machine executes (current, speed, flow)."""
    top = np.abs(execute).max(axis=1)
    tells = (np.abs(others).max(axis=1) < 0.02 * top) & (np.abs(execute).min(axis=1) > 0.15 * top)
    if not tells.any():
        return np.ones(value.shape[1], bool)
    votes, voters = np.zeros(value.shape[1]), np.zeros(value.shape[1])
    for place in np.flatnonzero(tells):
        row = value[place]
        known = np.isfinite(row)
        high = np.quantile(np.abs(row[known]), 0.9) if known.any() else 0.0
        votes[known] += np.abs(row[known]) > 0.1 * high
        voters[known] += 1
    return votes * 2 >= voters


def _emissions(seen: _Seen, template_: Floats, start: int, stop: int) -> Singles:
    """Give the log-likelihood of the steps *start* to *stop* in each hidden state of *template_*; (steps, hidden)."""
    total = np.zeros((stop - start, template_.shape[1]), np.float32)
    for place, row in enumerate(seen.value[:, start:stop]):
        known = np.isfinite(row)
        if known.any():
            z = (row[known, None] - template_[place]) / seen.scale[place]
            total[known] -= np.minimum(0.5 * z * z, CLIP).astype(np.float32)
    return total


def _scales(kind: Kind, record: Record, places: list[int], execute: Floats) -> Floats:
    """Give the scatter that is allowed once the levels are the machine's own: its noise, and a little of its range."""
    scales = np.empty(len(places))
    for number, place in enumerate(places):
        sensor = kind.sensors[record.sensors[place]]
        noise = _scatter(record.value[place])
        spread = float(np.ptp(execute[number]))
        top = float(np.abs(execute[number]).max())
        scales[number] = max(1.5 * noise, 0.03 * spread, 0.004 * top, sensor.resolution)
    return scales


# ---- without a cycle


def _steady(kind: Kind, record: Record, places: list[int], parameters: Mapping[str, float], *, first: bool) -> Decoded:
    """Decode setpoints and stops."""
    low, high = (kind.setpoint.low, kind.setpoint.high) if kind.setpoint else (1.0, 1.0)
    grid = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), LEVELS if high > low else 1)
    classes = classes_of(kind)
    zero, one = np.zeros(1), np.ones(1)
    execute = template(kind, record, places, parameters, State.EXECUTE, np.zeros(len(grid)), grid)
    others = np.hstack([template(kind, record, places, parameters, state, zero, one) for state in classes])
    scale = None
    if not first:
        between = np.abs(np.diff(execute, axis=1)).max(axis=1) if len(grid) > 1 else np.zeros(len(places))
        scale = np.maximum(_scales(kind, record, places, execute), 2 * between)
    seen = _seen(record.value[places], execute, others, scale)
    both = np.hstack([seen.execute, seen.others])
    scans = record.value.shape[1]
    emission = _emissions(seen, both, 0, scans)
    path = _sticky(emission, SWITCH)
    state = np.array([State.EXECUTE] * len(grid) + [int(each) for each in classes], np.int64)[path]
    piece = _pieces(path, state, SHORT_S / record.step_s)
    timeline = Timeline(record.start_us, record.step_s, state, np.zeros(scans), piece)
    return Decoded(timeline, np.zeros(0), 0.0)


def _sticky(emission: Singles, cost: float) -> Ints:
    """Find the most likely path where every change of hidden state costs the same."""
    steps, hidden = emission.shape
    stay = np.ones((steps, hidden), bool)
    best_before = np.zeros(steps, np.int64)
    score = emission[0].astype(np.float64)
    for step in range(1, steps):
        best = int(score.argmax())
        moved = score[best] - cost
        keep = score >= moved
        score = np.where(keep, score, moved) + emission[step]
        stay[step], best_before[step] = keep, best
    path = np.empty(steps, np.int64)
    path[-1] = at = int(score.argmax())
    for step in range(steps - 1, 0, -1):
        if not stay[step, at]:
            at = int(best_before[step])
        path[step - 1] = at
    return path


def _pieces(path: Ints, state: Ints, shortest: float) -> Ints:
    """Give every scan the number of its stretch of one setpoint.

    Short stretches belong to the one before; while the machine does not execute, the last one goes on.
    """
    level = path.copy()
    running = state == State.EXECUTE
    if not running.any():
        return np.zeros(len(path), np.int64)
    last = int(level[running][0])
    held = np.where(running, level, -1).tolist()
    level = np.array([last := (each if each >= 0 else last) for each in held], np.int64)
    edges = np.flatnonzero(np.diff(level)) + 1
    starts, stops = [0, *edges.tolist()], [*edges.tolist(), len(level)]
    piece = np.zeros(len(level), np.int64)
    number, value = -1, -1
    for start, stop in zip(starts, stops, strict=True):
        if number < 0 or (stop - start >= shortest and int(level[start]) != value):
            number, value = number + 1, int(level[start])
        piece[start:stop] = number
    return piece


def _with_recipes(
    kind: Kind, record: Record, places: list[int], parameters: Mapping[str, float], found: Decoded, *, first: bool
) -> Decoded:
    """Add the setpoints to a timeline whose phases are known."""
    assert kind.setpoint is not None, "steered by a setpoint"
    low, high = kind.setpoint.low, kind.setpoint.high
    grid = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), LEVELS if high > low else 1)
    phase = (np.arange(RECIPE_PHASES) + 0.5) / RECIPE_PHASES
    cells = np.repeat(phase, len(grid)), np.tile(grid, len(phase))
    execute = template(kind, record, places, parameters, State.EXECUTE, *cells)
    scale = None
    if not first:
        between = np.abs(np.diff(execute.reshape(len(places), len(phase), -1), axis=2)).max(axis=(1, 2))
        scale = np.maximum(_scales(kind, record, places, execute), 2 * between)
    timeline = found.timeline
    running = timeline.state == State.EXECUTE
    value = np.where(running, record.value[places], np.nan)
    seen = _seen(value, execute, np.zeros((len(places), 1)), scale)
    at = np.minimum((timeline.phase * RECIPE_PHASES).astype(np.int64), RECIPE_PHASES - 1)
    emission = np.zeros((timeline.scans, len(grid)), np.float32)
    for row, known_as, width in zip(
        seen.value, seen.execute.reshape(len(places), len(phase), -1), seen.scale, strict=True
    ):
        known = np.flatnonzero(np.isfinite(row))
        z = (row[known, None] - known_as[at[known]]) / width
        emission[known] -= np.minimum(0.5 * z * z, CLIP).astype(np.float32)
    path = _sticky(emission, SWITCH)
    piece = _pieces(path, timeline.state, SHORT_S / record.step_s)
    return Decoded(replace(timeline, piece=piece), found.begins_s, found.period_s)


# ---- with a cycle


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


def _cyclic(
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
    scale = None if first else _scales(kind, record, places, execute)
    seen = _seen(record.value[places][:, ::every], execute, others, scale)
    path, frozen = _track(seen, bins, advance=bins * step_s / period_s, cycle_steps=period_s / step_s)
    state = _states(seen, frozen, classes)
    return _linear(record, path, frozen, state, bins, every, period_s)


def _track(seen: _Seen, bins: int, *, advance: float, cycle_steps: float) -> tuple[Ints, Bools]:
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
        emission = _emissions(seen, seen.execute, start, stop)
        pausing = _emissions(seen, seen.others, start, stop).max(axis=1)
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


def _states(seen: _Seen, frozen: Bools, classes: list[State]) -> Ints:
    """Say of every pause which state it is: the one whose levels fit all of it best."""
    state = np.full(len(frozen), int(State.EXECUTE), np.int64)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frozen, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        fit = _emissions(seen, seen.others, start, stop).sum(axis=0)
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
        return _always(record)
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
