"""What the fit says: every number beside the kind's own and how sure it is; what cannot be known, and why."""

from __future__ import annotations

import numpy as np

from fleet.fit.fit import Fitted
from fleet.fit.found import (
    Findings,
    Row,
    Unknowable,
    interval_of,
    pause_lengths,
    pooled_of,
    share_of,
    take_spread,
    text_of,
)
from fleet.fit.found_pace import find_pace, find_period_length
from fleet.fit.found_sensors import find_sensors
from fleet.fit.graph import inputs_of
from fleet.fit.problem import PRIOR_LOG
from fleet.fit.ripple import start_of
from fleet.scenario.kind import Kind
from fleet.scenario.quantities import DIMENSIONS


def findings_of(fitted: Fitted) -> Findings:
    """Put all machines of *fitted* together."""
    found = Findings([], {}, [])
    for part in (_parameters, find_period_length, find_sensors, find_pace):
        part(fitted, found)
    return found


def _parameters(fitted: Fitted, found: Findings) -> None:
    kind = fitted.kind
    turning = (kind.cycle.period if kind.cycle else None, kind.receiver.fill if kind.receiver else None)
    ripples = [name for name, signal in kind.signals.items() if signal.law == "ripple"]
    starts = {start_of(kind, name) for name in ripples}
    for name, parameter in kind.parameters.items():
        if name in turning:
            continue
        if name in starts:
            why = "where in its ripple a control is at the first reading says nothing of another start"
            found.unknowable.append(Unknowable(name, why))
            continue
        both, narrow = pooled_of(fitted.fits, "parameter", name, PRIOR_LOG, parameter.spread)
        if both is None:
            found.unknowable.append(Unknowable(name, _why_parameter(fitted, name, narrow)))
            continue
        unit = DIMENSIONS[parameter.value.dimension].unit
        value = parameter.value.value * float(np.exp(both.middle))
        found.rows.append(
            Row(
                "parameter",
                name,
                text_of(parameter.value.value, unit),
                text_of(value, unit),
                interval_of(both),
            )
        )
        settings = found.settings.setdefault(name, {})
        settings["value"] = text_of(value, unit)
        take_spread(fitted, found, name, parameter.spread, both, settings)


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
    return f"the readings leave it ±{share_of(1.96 * narrow)}: nothing in them moves by it alone"


def _has_damage(inputs: object) -> bool:
    assert hasattr(inputs, "values"), "a mapping of a signal's inputs"
    return any(isinstance(value, str) and value.startswith("damage.") for value in inputs.values())


def _sensors_of(kind: Kind, name: str) -> list[str]:
    return [sensor for sensor, model in kind.sensors.items() if name in inputs_of(kind, model.signal)]


def _pauses(fitted: Fitted) -> str:
    count = sum(len(lengths) for lengths in (pause_lengths(fit) for fit in fitted.fits))
    return f"{count} pause{'' if count == 1 else 's'} of any kind"
