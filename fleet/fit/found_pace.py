"""What is found of a machine's pace: its cycle, its slow nodes, its pauses, and the air around it."""

from __future__ import annotations

import numpy as np

from fleet.data import State
from fleet.fit.fit import Fitted
from fleet.fit.found import (
    Findings,
    Row,
    Unknowable,
    interval_of,
    machines_of,
    pause_lengths,
    pooled_of,
    share_of,
    take_spread,
    text_of,
)
from fleet.fit.pool import pooled
from fleet.fit.problem import PRIOR_AIR_K, PRIOR_TAU_LOG
from fleet.fit.sure import AIR_SURE_K, CYCLES_MIN, STOPS_MIN, Sure, sureness
from fleet.scenario.quantities import DURATION


def find_period_length(fitted: Fitted, found: Findings) -> None:
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
    note = f"{interval_of(both)}, {sum(cycles):,} cycles"
    found.rows.append(Row("cycle", name, text_of(usual, DURATION.unit), text_of(period, DURATION.unit), note))
    if isinstance(own, str):
        settings = found.settings.setdefault(own, {})
        settings["value"] = text_of(period, DURATION.unit)
        take_spread(fitted, found, own, kind.parameters[own].spread, both, settings)


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
    fill = text_of(float(np.exp(both.middle)), DURATION.unit)
    note = f"{interval_of(both)}, {sum(len(each) for each in fills):,} turns"
    found.rows.append(Row("cycle", name, text_of(parameter.value.value, DURATION.unit), fill, note))
    settings = found.settings.setdefault(own, {})
    settings["value"] = fill
    take_spread(fitted, found, own, parameter.spread, both, settings)


def find_pace(fitted: Fitted, found: Findings) -> None:
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
    both, _ = pooled_of(fitted.fits, "air", "", PRIOR_AIR_K)
    if both is not None and both.sd < AIR_SURE_K and abs(both.middle) > 2 * both.sd:
        found.hall_mean = 22.0 + both.middle
        note = f"±{1.96 * both.sd:.2g} K (95 %), {machines_of(both.machines)}"
        found.rows.append(Row("hall", "mean", "22 degC", text_of(found.hall_mean, "degC"), note))
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
        both, narrow = pooled_of(fitted.fits, role, name, PRIOR_TAU_LOG)
        if both is None and not np.isfinite(narrow):
            why = f"{node.drive} never changes for long" if role == "tau" else "the machines never rest for long"
            found.unknowable.append(Unknowable(f"{name}.{key}", why))
        elif both is None or sureness(both.width) is Sure.NO:
            left = narrow if both is None else both.width
            found.unknowable.append(Unknowable(f"{name}.{key}", f"the readings leave it ±{share_of(1.96 * left)}"))
        else:
            value = own * float(np.exp(both.middle))
            unit = DURATION.unit
            note = interval_of(both)
            found.rows.append(Row("node", f"{name}.{key}", text_of(own, unit), text_of(value, unit), note))
            found.settings.setdefault(name, {})[key] = text_of(value, unit)


STOP_MAX_S = 600.0
"""A longer pause is no micro-stop."""


def _stops(fitted: Fitted, found: Findings) -> None:
    """Take how often machines stop for a moment, and for how long (median, and sigma of the logarithm)."""
    rule = fitted.kind.micro_stop
    if rule is None:
        return
    lengths = np.array([each for fit in fitted.fits for each in pause_lengths(fit) if each <= STOP_MAX_S])
    ran = sum(float((fit.decoded.timeline.state == State.EXECUTE).sum()) * fit.record.step_s for fit in fitted.fits)
    if len(lengths) < STOPS_MIN:
        why = f"{len(lengths)} short pauses are seen, {STOPS_MIN} are needed"
        found.unknowable.append(Unknowable("micro_stop", why))
        return
    every, lasts = ran / len(lengths), float(np.median(lengths))
    sigma = float(np.log(lengths).std())
    note = f"±{share_of(1.96 / np.sqrt(len(lengths)))} (95 %), {len(lengths)} pauses"
    settings = found.settings.setdefault("micro_stop", {})
    for key, own, value in (("every", rule.every, every), ("lasts", rule.lasts, lasts)):
        found.rows.append(Row("rule", f"micro_stop.{key}", text_of(own, "s"), text_of(value, "s"), note))
        settings[key] = text_of(value, "s")
    found.rows.append(Row("rule", "micro_stop.sigma", text_of(rule.sigma), text_of(sigma), f"{len(lengths)} pauses"))
    settings["sigma"] = text_of(sigma)
