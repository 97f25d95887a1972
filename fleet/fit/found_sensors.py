"""What is found of sensors: period, span, step, noise, lag."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from fleet.fit.fit import Fitted
from fleet.fit.found import Findings, Row, Unknowable, interval_of, machines_of, pooled_of, share_of, text_of
from fleet.fit.graph import understood
from fleet.fit.noise import Noise
from fleet.fit.problem import LAG_UNIT_S, PRIOR_TAU_LOG
from fleet.fit.sure import Sure, sureness
from fleet.scenario.quantities import DURATION


def find_sensors(fitted: Fitted, found: Findings) -> None:
    """Take what the readings say of every sensor."""
    kind = fitted.kind
    periods = _periods(fitted)
    for name, sensor in kind.sensors.items():
        settings: dict[str, str] = {}
        if abs(periods[name] / sensor.period - 1) > 0.01:
            settings["period"] = text_of(periods[name], DURATION.unit)
        if name not in fitted.steps:
            found.unknowable.append(Unknowable(name, "not in the file: the kind's own sensor is kept"))
        else:
            if periods[name] != sensor.period:
                found.rows.append(
                    Row(
                        "sensor",
                        f"{name}.period",
                        text_of(sensor.period, "s"),
                        text_of(periods[name], "s"),
                        "usual gap",
                    )
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
    text = f"[{text_of(new[0])}, {text_of(new[1])}]"
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
    found.rows.append(
        Row("sensor", f"{name}.resolution", text_of(sensor.resolution), text_of(step), f"{count:,} readings")
    )
    settings["resolution"] = text_of(step)


def _noise(fitted: Fitted, found: Findings, name: str, settings: dict[str, str]) -> None:
    kind, sensor = fitted.kind, fitted.kind.sensors[name]
    noises = [each for each in fitted.noises[name] if each.white is not None]
    step = fitted.steps[name] or sensor.resolution
    if not noises:
        why = "too few readings away from steps, pauses and the rails"
        if any(each.windows for each in fitted.noises[name]):
            why = f"below the resolution, {text_of(step)}: the readings repeat themselves"
        found.unknowable.append(Unknowable(f"{name}.noise", why))
        return
    if understood(kind, sensor.signal):
        found.unknowable.append(Unknowable(f"{name}.noise", "the machine cannot be taken out of these readings"))
        return
    windows = sum(each.windows for each in noises)
    sure = f"{windows:,} readings, {machines_of(len(noises))}"
    shares = [each for each in noises if each.share is not None]
    if shares and (sensor.noise_share > 0 or np.median([each.share for each in shares]) > 0):
        white, share = (float(np.median(column)) for column in zip(
            *((each.white or 0.0, each.share or 0.0) for each in shares), strict=True))  # fmt: skip
        _add(found, settings, f"{name}.noise", sensor.noise, white, sure)
        _add(found, settings, f"{name}.noise_share", sensor.noise_share, share, sure, show=share_of)
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
                show=share_of,
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
    most = text_of(float(np.sqrt(square + 2 * error)))
    found.unknowable.append(
        Unknowable(f"{name}.flicker", f"white noise hides it: anything below {most} could be there")
    )


def _lag(fitted: Fitted, found: Findings, name: str, settings: dict[str, str]) -> None:
    """Take a sensor's own time constant."""
    own = fitted.kind.sensors[name].tau
    both, _ = pooled_of(fitted.fits, "lag", name, PRIOR_TAU_LOG)
    if both is not None and both.machines * 2 > len(fitted.fits) and sureness(both.width) is not Sure.NO:
        value = text_of((own or LAG_UNIT_S) * float(np.exp(both.middle)), "s")
        found.rows.append(Row("sensor", f"{name}.tau", text_of(own, "s"), value, interval_of(both)))
        settings["tau"] = value
    elif own > 0:
        why = "nothing that it follows moves fast enough to show its own lag"
        if both is not None and sureness(both.width) is Sure.NO:
            why = f"the readings leave it ±{share_of(1.96 * both.width)}"
        found.unknowable.append(Unknowable(f"{name}.tau", why))


def _add(
    found: Findings,
    settings: dict[str, str],
    name: str,
    own: float,
    value: float,
    sure: str,
    show: Callable[[float], str] = text_of,
) -> None:
    found.rows.append(Row("sensor", name, show(own), show(value), sure))
    settings[name.rpartition(".")[2]] = show(value)
