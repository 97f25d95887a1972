"""What the fit says: every number beside the kind's own and how sure it is; what cannot be known, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fleet.data import State
from fleet.fit.estimate import LAG_UNIT_S, PRIOR_AIR_K, PRIOR_LOG, PRIOR_TAU_LOG, Fit
from fleet.fit.fit import Fitted
from fleet.fit.graph import inputs_of, understood
from fleet.fit.noise import Noise
from fleet.fit.pool import Pooled, pooled
from fleet.scenario.kind import Kind
from fleet.scenario.quantities import DIMENSIONS, DURATION

SURE = 0.08
"""A number that a usual machine leaves with a larger width (1 sigma, a share of it) is rough: it is taken because the
readings belong to it together with others, but only those together are known. A time constant, on which no level
hangs, keeps the kind's own instead. Widths are not divided by the root of the machines: what they share, as the
hall's air, does not average."""

PRIORS = 0.5
"""A machine whose posterior is wider than this share of the prior says nothing of a number."""

SPREAD_SURE = 5
"""From so many machines on the spread between them is taken as found; of fewer only where it contradicts the kind's."""

CYCLES_MIN = 8
AIR_SURE_K = 1.0
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One number: *section* and *name* say which; texts with units; *sure* is how sure it is."""

    section: str
    name: str
    default: str
    found: str
    sure: str


@dataclass(frozen=True, slots=True)
class Unknowable:
    """What stays at the kind's own value, and why."""

    name: str
    why: str


@dataclass(slots=True)
class Findings:
    """Rows for people, settings for the part, and what could not be found."""

    rows: list[Row]
    settings: dict[str, dict[str, str]]  # of parameters and sensors: property by name, as YAML has it
    unknowable: list[Unknowable]
    hall_mean: float | None = None


def findings_of(fitted: Fitted) -> Findings:
    """Put all machines of *fitted* together."""
    found = Findings([], {}, [])
    for part in (_parameters, _period, _sensors, _pace):
        part(fitted, found)
    return found


# ---- numbers as texts


def _text(value: float, unit: str = "") -> str:
    number = f"{value:.{DIGITS}g}"
    if "e" in number:
        number = f"{float(number):.10f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else f"{float(number):.0f}"
    return f"{number} {unit}".strip()


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


def _machines(count: int) -> str:
    return f"{count} machine{'' if count == 1 else 's'}"


def _interval(both: Pooled) -> str:
    rough = f"; rough: only with others, by itself ±{_share(1.96 * both.width)}" if both.width > SURE else ""
    return f"±{_share(1.96 * both.sd)} (95 %), {_machines(both.machines)}{rough}"


# ---- parameters


def _pooled(
    fits: tuple[Fit, ...], role: str, name: str, prior: float, usual: float = 0.0
) -> tuple[Pooled | None, float]:
    """Put the machines together that say something of an unknown; also the narrowest width of all."""
    each = [found for fit in fits if (found := fit.found(role, name)) is not None]
    narrow = min((sd for _, sd in each), default=np.inf)
    good = [(mean, sd) for mean, sd in each if sd < PRIORS * prior]
    if not good:
        return None, narrow
    means, sds = np.array(good).T
    return pooled(means, sds, usual=usual), narrow


def _parameters(fitted: Fitted, found: Findings) -> None:
    kind = fitted.kind
    turning = (kind.cycle.period if kind.cycle else None, kind.receiver.fill if kind.receiver else None)
    for name, parameter in kind.parameters.items():
        if name in turning:
            continue
        both, narrow = _pooled(fitted.fits, "parameter", name, PRIOR_LOG, parameter.spread)
        if both is None:
            found.unknowable.append(Unknowable(name, _why_parameter(fitted, name, narrow)))
            continue
        unit = DIMENSIONS[parameter.value.dimension].unit
        value = parameter.value.value * float(np.exp(both.middle))
        found.rows.append(
            Row(
                "parameter",
                name,
                _text(parameter.value.value, unit),
                _text(value, unit),
                _interval(both),
            )
        )
        settings = found.settings.setdefault(name, {})
        settings["value"] = _text(value, unit)
        _spread(fitted, found, name, parameter.spread, both, settings)


def _spread(fitted: Fitted, found: Findings, name: str, own: float, both: Pooled, settings: dict[str, str]) -> None:
    """Take the spread between machines where there are enough of them, or where they contradict the kind's."""
    if both.between is None or both.width > SURE:
        return
    scatter = max(both.between, own) / np.sqrt(2 * (both.machines - 1))
    contradicts = abs(both.between - own) > 2 * max(both.between_sd, scatter, 0.002)
    taken = both.machines >= SPREAD_SURE or contradicts
    note = f"±{_share(1.96 * both.between_sd)} (95 %), {_machines(both.machines)}"
    if both.apart:
        names = ", ".join(fitted.fits[place].record.machine for place in both.apart)
        note += f"; without {names}, far from the others"
    if taken:
        settings["spread"] = _share(both.between)
    else:
        note += "; the kind's own fits and is kept"
    found.rows.append(Row("spread", name, _share(own), _share(both.between), note))


def _why_parameter(fitted: Fitted, name: str, narrow: float) -> str:
    kind = fitted.kind
    for mode, wear in kind.wear.items():
        if name in (wear.life, wear.repair):
            return f"life and repair of {mode} take many failures; the readings have {_pauses(fitted)}"
    if not np.isfinite(narrow):
        sensors = _sensors_of(kind, name)
        if not sensors:
            return "nothing that a sensor shows depends on it"
        return f"shows only in {', '.join(sensors)}: not in the file, or not understood"
    worn = any(name in signal.inputs.values() and _has_damage(signal.inputs) for signal in kind.signals.values())
    if worn and narrow > 0.95 * PRIOR_LOG:
        return "shows only as a part wears out, and none is seen to"
    return f"the readings leave it ±{_share(1.96 * narrow)}: nothing in them moves by it alone"


def _has_damage(inputs: object) -> bool:
    assert hasattr(inputs, "values"), "a mapping of a signal's inputs"
    return any(isinstance(value, str) and value.startswith("damage.") for value in inputs.values())


def _sensors_of(kind: Kind, name: str) -> list[str]:
    return [sensor for sensor, model in kind.sensors.items() if name in inputs_of(kind, model.signal)]


def _pauses(fitted: Fitted) -> str:
    count = sum(len(lengths) for lengths in (_pause_lengths(fit) for fit in fitted.fits))
    return f"{count} pause{'' if count == 1 else 's'} of any kind"


def _pause_lengths(fit: Fit) -> list[float]:
    """Give how long the machine paused each time, s; pauses that the record's ends cut are left out."""
    resting = (fit.decoded.timeline.state != State.EXECUTE).astype(np.int8)
    edges = np.flatnonzero(np.diff(resting))
    begins, ends = edges[np.diff(resting)[edges] > 0], edges[np.diff(resting)[edges] < 0]
    if len(begins) and len(ends) and ends[0] < begins[0]:
        ends = ends[1:]
    return [float(stop - start) * fit.record.step_s for start, stop in zip(begins, ends, strict=False)]


# ---- the cycle


def _period(fitted: Fitted, found: Findings) -> None:
    """Take the length of a cycle, or a receiver's fill time."""
    kind = fitted.kind
    if kind.receiver is not None:
        _fill(fitted, found, kind.receiver.fill)
    if kind.cycle is None:
        return
    own = kind.cycle.period
    name = own if isinstance(own, str) else "cycle.period"
    each = [fit for fit in fitted.fits if fit.decoded.period_s and len(fit.decoded.begins_s) >= CYCLES_MIN]
    if not each:
        found.unknowable.append(Unknowable(name, f"fewer than {CYCLES_MIN} cycles are told apart in the readings"))
        return
    cycles = [len(fit.decoded.begins_s) for fit in each]
    value = np.log([fit.decoded.period_s for fit in each])
    both = pooled(value, np.array([0.02 / np.sqrt(count) for count in cycles]), usual=0.05)
    usual = kind.parameters[own].value.value if isinstance(own, str) else own
    period = float(np.exp(both.middle))
    note = f"{_interval(both)}, {sum(cycles):,} cycles"
    found.rows.append(Row("cycle", name, _text(usual, DURATION.unit), _text(period, DURATION.unit), note))
    if isinstance(own, str):
        settings = found.settings.setdefault(own, {})
        settings["value"] = _text(period, DURATION.unit)
        _spread(fitted, found, own, kind.parameters[own].spread, both, settings)


def _fill(fitted: Fitted, found: Findings, own: str | float) -> None:
    name = own if isinstance(own, str) else "receiver.fill"
    fills = [fit.decoded.fill_s for fit in fitted.fits if fit.decoded.fill_s is not None]
    if not fills:
        found.unknowable.append(Unknowable(name, "loaded and unloaded running are not told apart in the readings"))
        return
    if not isinstance(own, str):
        return
    parameter = fitted.kind.parameters[own]
    value = np.log([float(np.median(each)) for each in fills])
    both = pooled(value, np.array([0.05 / np.sqrt(len(each)) for each in fills]), usual=parameter.spread)
    fill = _text(float(np.exp(both.middle)), DURATION.unit)
    note = f"{_interval(both)}, {sum(len(each) for each in fills):,} turns"
    found.rows.append(Row("cycle", name, _text(parameter.value.value, DURATION.unit), fill, note))
    settings = found.settings.setdefault(own, {})
    settings["value"] = fill
    _spread(fitted, found, own, parameter.spread, both, settings)


# ---- sensors


def _sensors(fitted: Fitted, found: Findings) -> None:
    kind = fitted.kind
    periods = _periods(fitted)
    for name, sensor in kind.sensors.items():
        settings: dict[str, str] = {}
        if abs(periods[name] / sensor.period - 1) > 0.01:
            settings["period"] = _text(periods[name], DURATION.unit)
        if name not in fitted.steps:
            found.unknowable.append(Unknowable(name, "not in the file: the kind's own sensor is kept"))
        else:
            if periods[name] != sensor.period:
                found.rows.append(
                    Row("sensor", f"{name}.period", _text(sensor.period, "s"), _text(periods[name], "s"), "usual gap")
                )
            why = understood(kind, sensor.signal)
            if why:
                found.unknowable.append(Unknowable(f"{name}, its levels", why))
            _span(fitted, found, name, settings)
            _step(fitted, found, name, settings)
            _noise(fitted, found, name, settings)
            _lag(fitted, found, name, settings)
        if settings:
            found.settings.setdefault(name, {}).update(settings)


def _periods(fitted: Fitted) -> dict[str, float]:
    """Give every sensor's period: as read, for absent ones the kind's own, all whole multiples of the smallest."""
    kind = fitted.kind
    read: dict[str, float] = {}
    for name in kind.sensors:
        values = [
            fit.record.period_s[fit.record.sensors.index(name)] for fit in fitted.fits if name in fit.record.sensors
        ]
        if values:
            read[name] = float(np.median(values))
    step = min(read.values())
    return {name: step * max(1, round(read.get(name, sensor.period) / step)) for name, sensor in kind.sensors.items()}


def _values(fitted: Fitted, name: str) -> Iterator[np.ndarray]:
    for fit in fitted.fits:
        if name in fit.record.sensors:
            row = fit.record.value[fit.record.sensors.index(name)]
            yield row[np.isfinite(row)]


def _span(fitted: Fitted, found: Findings, name: str, settings: dict[str, str]) -> None:
    """Widen a sensor's rails where readings are beyond them."""
    low, high = fitted.kind.sensors[name].span
    least, most = min(row.min() for row in _values(fitted, name)), max(row.max() for row in _values(fitted, name))
    if least >= low and most <= high:
        return
    room = 0.5 * (most - least)
    new = (
        low if least >= low else float(np.floor(least - room)),
        high if most <= high else float(np.ceil(most + room)),
    )
    text = f"[{_text(new[0])}, {_text(new[1])}]"
    found.rows.append(Row("sensor", f"{name}.span", f"[{low:g}, {high:g}]", text, "readings are beyond the kind's"))
    settings["span"] = text


def _step(fitted: Fitted, found: Findings, name: str, settings: dict[str, str]) -> None:
    sensor, step = fitted.kind.sensors[name], fitted.steps[name]
    count = sum(len(row) for row in _values(fitted, name))
    if step is None:
        few = len(np.unique(np.concatenate(list(_values(fitted, name))))) < 4
        why = "too few different readings" if few else "the readings are whole multiples of no step"
        found.unknowable.append(Unknowable(f"{name}.resolution", why))
        return
    found.rows.append(Row("sensor", f"{name}.resolution", _text(sensor.resolution), _text(step), f"{count:,} readings"))
    settings["resolution"] = _text(step)


def _noise(fitted: Fitted, found: Findings, name: str, settings: dict[str, str]) -> None:
    kind, sensor = fitted.kind, fitted.kind.sensors[name]
    noises = [each for each in fitted.noises[name] if each.white is not None]
    step = fitted.steps[name] or sensor.resolution
    if not noises:
        why = "too few readings away from steps, pauses and the rails"
        if any(each.windows for each in fitted.noises[name]):
            why = f"below the resolution, {_text(step)}: the readings repeat themselves"
        found.unknowable.append(Unknowable(f"{name}.noise", why))
        return
    if understood(kind, sensor.signal):
        found.unknowable.append(Unknowable(f"{name}.noise", "the machine cannot be taken out of these readings"))
        return
    windows = sum(each.windows for each in noises)
    sure = f"{windows:,} readings, {_machines(len(noises))}"
    shares = [each for each in noises if each.share is not None]
    if shares and (sensor.noise_share > 0 or np.median([each.share for each in shares]) > 0):
        white, share = (float(np.median(column)) for column in zip(
            *((each.white or 0.0, each.share or 0.0) for each in shares), strict=True))  # fmt: skip
        _add(found, settings, f"{name}.noise", sensor.noise, white, sure)
        _add(found, settings, f"{name}.noise_share", sensor.noise_share, share, sure, show=_share)
    else:
        ratio = [
            each.white / size
            for each in noises
            if each.white is not None and (size := sensor.noise + sensor.noise_share * each.level) > 0
        ]
        if ratio and sensor.noise_share > 0:
            factor = float(np.median(ratio))
            both = f"{sure}; the two are not told apart at one level"
            _add(found, settings, f"{name}.noise", sensor.noise, sensor.noise * factor, both)
            _add(
                found,
                settings,
                f"{name}.noise_share",
                sensor.noise_share,
                sensor.noise_share * factor,
                both,
                show=_share,
            )
        else:
            white = float(np.median([each.white or 0.0 for each in noises]))
            note = f"{sure}; below a third of the step it is a guess" if white < 0.3 * step else sure
            _add(found, settings, f"{name}.noise", sensor.noise, white, note)
    _flicker(found, name, sensor.flicker, noises, settings, sure)


def _flicker(found: Findings, name: str, own: float, noises: list[Noise], settings: dict[str, str], sure: str) -> None:
    """Take 1/f noise where it stands out of white noise; else the kind's own stays, unless it would have shown."""
    seen = [(each.flicker**2, each.flicker_error) for each in noises if each.flicker is not None]
    if not seen:
        found.unknowable.append(Unknowable(f"{name}.flicker", "no stretch is steady for long enough"))
        return
    square = float(np.median([each for each, _ in seen]))
    error = float(np.sqrt(np.mean([each**2 for _, each in seen]) / len(seen)))
    if square > 2 * error or own**2 > square + 3 * error:
        _add(found, settings, f"{name}.flicker", own, float(np.sqrt(square)), sure)
        return
    most = _text(float(np.sqrt(square + 2 * error)))
    found.unknowable.append(
        Unknowable(f"{name}.flicker", f"white noise hides it: anything below {most} could be there")
    )


def _lag(fitted: Fitted, found: Findings, name: str, settings: dict[str, str]) -> None:
    """Take a sensor's own time constant."""
    own = fitted.kind.sensors[name].tau
    both, _ = _pooled(fitted.fits, "lag", name, PRIOR_TAU_LOG)
    if both is not None and both.machines * 2 > len(fitted.fits):
        value = _text((own or LAG_UNIT_S) * float(np.exp(both.middle)), "s")
        found.rows.append(Row("sensor", f"{name}.tau", _text(own, "s"), value, _interval(both)))
        settings["tau"] = value
    elif own > 0:
        found.unknowable.append(
            Unknowable(f"{name}.tau", "nothing that it follows moves fast enough to show its own lag")
        )


def _add(
    found: Findings,
    settings: dict[str, str],
    name: str,
    own: float,
    value: float,
    sure: str,
    show: Callable[[float], str] = _text,
) -> None:
    found.rows.append(Row("sensor", name, show(own), show(value), sure))
    settings[name.rpartition(".")[2]] = show(value)


# ---- what a scenario has no word for


def _pace(fitted: Fitted, found: Findings) -> None:
    """Say how the machines paused, and which sensors of the kind wear cannot be told of."""
    kind = fitted.kind
    if any(sensor.offset > 0 or sensor.gain > 0 for sensor in kind.sensors.values()):
        found.unknowable.append(
            Unknowable("gain and offset of sensors", "seen only where two sensors measure the same thing")
        )
    if kind.setpoint is not None:
        changes = sum(int(fit.decoded.timeline.piece.max()) for fit in fitted.fits)
        why = f"{changes} changes are seen: how often and how far it moves takes many"
        found.unknowable.append(Unknowable("setpoint", why))
    for name in kind.nodes:
        _taus(fitted, found, name)
    _stops(fitted, found)
    both, _ = _pooled(fitted.fits, "air", "", PRIOR_AIR_K)
    if both is not None and both.sd < AIR_SURE_K and abs(both.middle) > 2 * both.sd:
        found.hall_mean = 22.0 + both.middle
        note = f"±{1.96 * both.sd:.2g} K (95 %), {_machines(both.machines)}"
        found.rows.append(Row("hall", "mean", "22 degC", _text(found.hall_mean, "degC"), note))
    elif any(fit.found("air", "") for fit in fitted.fits):
        found.unknowable.append(
            Unknowable("the hall's air", "no thermometer of it in the file, and no machine cools down for long enough: "
            "rises are over the usual hall's air at that date; give one with --sensor NAME=ambient")
        )  # fmt: skip


def _taus(fitted: Fitted, found: Findings, name: str) -> None:
    """Take a slow node's time constants."""
    node = fitted.kind.nodes[name]
    if not any(fit.found("start", name) for fit in fitted.fits):
        found.unknowable.append(Unknowable(name, "no sensor in the file shows it"))
        return
    for role, key, own in (("tau", "tau", node.tau), ("rest", "tau_at_rest", node.tau_at_rest)):
        both, narrow = _pooled(fitted.fits, role, name, PRIOR_TAU_LOG)
        if both is None and not np.isfinite(narrow):
            why = f"{node.drive} never changes for long" if role == "tau" else "the machines never rest for long"
            found.unknowable.append(Unknowable(f"{name}.{key}", why))
        elif both is None or both.width > SURE:
            left = narrow if both is None else both.width
            found.unknowable.append(Unknowable(f"{name}.{key}", f"the readings leave it ±{_share(1.96 * left)}"))
        else:
            value = own * float(np.exp(both.middle))
            unit = DURATION.unit
            note = _interval(both)
            found.rows.append(Row("node", f"{name}.{key}", _text(own, unit), _text(value, unit), note))
            found.settings.setdefault(name, {})[key] = _text(value, unit)


STOPS_MIN = 10
"""Fewer pauses say too little of how long they are and how often they come."""

STOP_MAX_S = 600.0
"""A longer pause is no micro-stop."""


def _stops(fitted: Fitted, found: Findings) -> None:
    """Take how often machines stop for a moment, and for how long (median, and sigma of the logarithm)."""
    rule = fitted.kind.micro_stop
    if rule is None:
        return
    lengths = np.array([each for fit in fitted.fits for each in _pause_lengths(fit) if each <= STOP_MAX_S])
    ran = sum(float((fit.decoded.timeline.state == State.EXECUTE).sum()) * fit.record.step_s for fit in fitted.fits)
    if len(lengths) < STOPS_MIN:
        why = f"{len(lengths)} short pauses are seen, {STOPS_MIN} are needed"
        found.unknowable.append(Unknowable("micro_stop", why))
        return
    every, lasts = ran / len(lengths), float(np.median(lengths))
    sigma = float(np.log(lengths).std())
    note = f"±{_share(1.96 / np.sqrt(len(lengths)))} (95 %), {len(lengths)} pauses"
    settings = found.settings.setdefault("micro_stop", {})
    for key, own, value in (("every", rule.every, every), ("lasts", rule.lasts, lasts)):
        found.rows.append(Row("rule", f"micro_stop.{key}", _text(own, "s"), _text(value, "s"), note))
        settings[key] = _text(value, "s")
    found.rows.append(Row("rule", "micro_stop.sigma", _text(rule.sigma), _text(sigma), f"{len(lengths)} pauses"))
    settings["sigma"] = _text(sigma)
