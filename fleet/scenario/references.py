"""What must hold between the parts of a kind: every name in it means something.

Works on the values as they were read, so that its faults are found beside those of single fields;
it passes over whatever has another shape than it should: the model reports that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from fleet.data import State
from fleet.faults.machine import MACHINE_FAULTS, roles_of
from fleet.scenario.dimensions import dimension_faults
from fleet.scenario.fields import number
from fleet.scenario.forms import Laws
from fleet.scenario.kind import BUILT_IN, FELT, OF_CYCLES, OF_METERS, RISING, Sensor, deadband_faults, period_faults
from fleet.scenario.quantities import DURATION, Measure, measure, quantity, split
from fleet.scenario.wording import Path, unknown

Fault = tuple[Path, str]


def kind_faults(data: object, laws: Laws | None) -> list[Fault]:
    """Return every fault between the parts of the kind *data*; *laws* None: any law will do."""
    kind = mapping(data)
    return [
        *_shape(kind),
        *_levels(kind),
        *_motion(kind),
        *_wear(kind),
        *_faults(kind),
        *_nodes(kind),
        *_heating(kind),
        *_signals(kind, laws),
        *_sensors(kind),
        *_electrical(kind),
        *(dimension_faults(kind, laws) if laws is not None else ()),
    ]


def mapping(value: object) -> dict[str, Any]:
    """Return *value* if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[tuple[int, dict[str, Any]]]:
    """Return the mappings in the list *value*, each with its index."""
    if not isinstance(value, list):
        return []
    return [(index, each) for index, each in enumerate(value) if isinstance(each, dict)]


def _parts(kind: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    return {name: mapping(part) for name, part in mapping(kind.get(section)).items()}


def _name(value: object) -> str | None:
    """Return *value* if it is a name, and not a quantity."""
    return value.strip() if isinstance(value, str) and value.strip() and split(value) is None else None


def _measure(parameter: dict[str, Any]) -> Measure | None:
    try:
        return measure(parameter.get("value"))
    except PydanticCustomError:
        return None


def _duration(part: dict[str, Any], key: str) -> float | None:
    try:
        return quantity(part.get(key), DURATION)
    except PydanticCustomError:
        return None


def _shape(kind: dict[str, Any]) -> Iterator[Fault]:
    if not kind:
        return
    if kind.get("door") is None:
        if not kind.get("sensors") and not isinstance(kind.get("sensors"), list):
            yield ("sensors",), "must have at least one sensor; only a door has none"
        return
    for section in (
        "sensors",
        "drives",
        "nodes",
        "signals",
        "cycle",
        "wear",
        "micro_stop",
        "setpoint",
        "heating",
        "receiver",
        "meter",
    ):
        if kind.get(section):
            yield (section,), "must be absent: a kind with 'door' is a door and nothing else"


LAG_SHARE_MAX = 0.99
"""Most that a node's lag may be of its time constant: partial fractions of a node, its lag and a sensor's own lag, all
three nearly equal, have no digits left."""

SETS_LEVEL = ("setpoint", "receiver", "meter", "cycle")
"""Sections of a kind that change the level of its load; with a cycle the products of a line do."""


def _levels(kind: dict[str, Any]) -> Iterator[Fault]:
    for name, drive in _parts(kind, "drives").items():
        if drive.get("setpoint") is True and not any(kind.get(key) for key in SETS_LEVEL):
            yield ("drives", name, "setpoint"), "must be absent: the kind has no 'setpoint', nor makes products"
        for state in State:
            level = drive.get(state.name.lower())
            if not isinstance(level, list):
                continue
            path = ("drives", name, state.name.lower())
            if not kind.get("cycle"):
                yield path, "must be a number: a profile needs the kind's 'cycle'"
            elif state != State.EXECUTE:
                yield path, "must be a number: only 'execute' runs in cycles"


def _motion(kind: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with references to durations, and with the setpoint."""
    parameters = _parts(kind, "parameters")
    spans: list[tuple[Path, object]] = [
        (("cycle", "period"), mapping(kind.get("cycle")).get("period")),
        (("receiver", "fill"), mapping(kind.get("receiver")).get("fill")),
    ]
    for field in ("life", "repair"):
        spans += [(("wear", mode, field), wear.get(field)) for mode, wear in _parts(kind, "wear").items()]
    for path, value in spans:
        name = _name(value)
        if name is None:
            continue
        if name not in parameters:
            yield path, unknown("parameter", name, parameters)
            continue
        found = _measure(parameters[name])
        if found is not None and found.dimension != DURATION.name:
            yield path, f"must name a duration, the parameter '{name}' is a {found.dimension}"
        elif found is not None and found.value <= 0:
            yield path, f"must be above 0 s, the parameter '{name}' is {found.value:g} s"
    setpoint = mapping(kind.get("setpoint"))
    low, high = split(setpoint.get("from")), split(setpoint.get("to"))
    if low is not None and high is not None and low[1] == high[1] and low[0] > high[0]:
        yield ("setpoint", "to"), f"must be at least 'from', {low[0]:g}{low[1]}, got {high[0]:g}{high[1]}"


def _wear(kind: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong between a failure mode's keys."""
    for mode, wear in _parts(kind, "wear").items():
        path: Path = ("wear", mode)
        law, growth = wear.get("law", "weibull"), wear.get("growth", "power")
        if law in ("weibull", "lognormal") and "shape" not in wear:
            yield (*path, "shape"), f"must be given: a {law} life has one"
        if law == "exponential" and "shape" in wear:
            yield (*path, "shape"), "must be absent: an exponential life has none"
        if growth == "flank" and "exponent" in wear:
            yield (*path, "exponent"), "must be absent: flank wear has its own three stages"
        if growth in ("power", "flank") and "roughness" in wear:
            yield (*path, "roughness"), f"must be absent: the growth '{growth}' is smooth; gamma and wiener are rough"


def _faults(kind: dict[str, Any]) -> Iterator[Fault]:
    """Yield scripted faults that there are not, their roles likewise, and roles played by nothing of the kind."""
    known = {*BUILT_IN, *(f"damage.{mode}" for mode in _parts(kind, "wear"))}
    for section in ("drives", "nodes", "parameters", "signals"):
        known |= _parts(kind, section).keys()
    for fault, roles in _parts(kind, "faults").items():
        if fault not in MACHINE_FAULTS:
            yield ("faults", fault), unknown("machine fault", fault, MACHINE_FAULTS)
            continue
        for role, names in roles.items():
            if role not in roles_of(fault):
                yield ("faults", fault, role), unknown(f"role of {fault}", role, sorted(roles_of(fault)))
            for name in names if isinstance(names, list) else [names]:
                if isinstance(name, str) and name not in known:
                    words = unknown("drive, node, signal or parameter", name, sorted(known))
                    yield ("faults", fault, role), words


def _nodes(kind: dict[str, Any]) -> Iterator[Fault]:
    drives, parameters = _parts(kind, "drives"), _parts(kind, "parameters")
    for name, node in _parts(kind, "nodes").items():
        drive, gain = node.get("drive"), _name(node.get("gain"))
        if isinstance(drive, str) and drive not in drives:
            yield ("nodes", name, "drive"), unknown("drive", drive, drives)
        if gain is not None and gain not in parameters:
            yield ("nodes", name, "gain"), unknown("parameter", gain, parameters)
        mode, modes = node.get("wear"), _parts(kind, "wear")
        if isinstance(mode, str) and mode not in modes:
            yield ("nodes", name, "wear"), unknown("mode of wear", mode, modes)
        lag = _duration(node, "lag")
        slower = [tau for tau in (_duration(node, "tau"), _duration(node, "tau_at_rest")) if tau is not None]
        if lag is not None and slower and lag > LAG_SHARE_MAX * min(slower) > 0:
            most = f"{LAG_SHARE_MAX:.0%} of the node's own time constant, {min(slower):g} s"
            yield ("nodes", name, "lag"), f"must be at most {most}, got {lag:g} s"


def _heating(kind: dict[str, Any]) -> Iterator[Fault]:
    nodes, path = _parts(kind, "nodes"), ("heating", "node")
    name = mapping(kind.get("heating")).get("node")
    if not isinstance(name, str):
        return
    if name not in nodes:
        yield path, unknown("node", name, nodes)
        return
    driven = nodes[name].get("drive")
    drive = _parts(kind, "drives").get(driven, {}) if isinstance(driven, str) else {}
    execute, idle, stopped = (_height(drive.get(state)) for state in ("execute", "idle", "stopped"))
    if not drive or idle is None or stopped is None:
        return  # what is wrong with it is told elsewhere
    if drive.get("setpoint") is True or execute is None or execute <= 0.0:
        yield path, f"must have a drive at one level above 0 in execute, '{driven}' has not"
    elif idle != execute or stopped >= execute:
        yield path, f"must have a drive that is as high in idle as in execute and lower when stopped, '{driven}' is not"
    elif nodes[name].get("lag"):
        yield path, f"must be a node without a lag of its own, '{name}' has one"


def _height(level: object) -> float | None:
    """Give the level of a drive in one state; None where it is a profile, or wrong, which is told elsewhere."""
    try:
        return number()(0.0 if level is None else level)
    except PydanticCustomError:
        return None


def _signals(kind: dict[str, Any], laws: Laws | None) -> Iterator[Fault]:
    signals = _parts(kind, "signals")
    circles: set[frozenset[str]] = set()
    known = {*BUILT_IN, *(f"damage.{mode}" for mode in _parts(kind, "wear"))}
    known |= {f"{RISING}{drive}" for drive in _parts(kind, "drives")}
    known |= {f"{FELT}{node}" for node in _parts(kind, "nodes")}
    if kind.get("cycle"):
        known |= set(OF_CYCLES)
    if kind.get("receiver"):
        known.add("phase")
    if kind.get("meter"):
        known |= set(OF_METERS)
    for section in ("drives", "nodes", "parameters"):
        known |= _parts(kind, section).keys()
    for name, signal in signals.items():
        path: Path = ("signals", name)
        law = signal.get("law")
        arguments = None
        if laws is not None and isinstance(law, str):
            form = laws.get(law)
            arguments = None if form is None else form.takes.keys()
            if form is None:
                yield (*path, "law"), unknown("law", law, sorted(laws))
        for argument, value in signal.items():
            if argument == "law":
                continue
            if arguments is not None and argument not in arguments:
                yield (*path, argument), unknown(f"argument of {law}", argument, sorted(arguments))
            used = _name(value)
            if used is None or used in known:
                continue
            if (circle := _circle(name, used, signals)) is None:
                yield (*path, argument), _unknown_input(used, signals, known)
            elif (members := frozenset(circle)) not in circles:
                circles.add(members)
                yield (*path, argument), f"must not need itself: {' -> '.join(circle)}"
        for argument in sorted((arguments or set()) - signal.keys()):
            yield path, f"must give '{argument}', an argument of {law}"
        known.add(name)


def _unknown_input(used: str, signals: Mapping[str, object], known: set[str]) -> str:
    if used in signals:
        return f"must be known before, the signal '{used}' comes later; put it further up"
    return unknown("drive, node, signal or parameter", used, sorted(known))


def _circle(name: str, used: str, signals: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    """Give the way from the signal *name* over *used* back to itself; None where there is none."""
    if used == name:
        return [name, name]
    came = {used: name}
    waiting = [used] if used in signals else []
    while waiting:
        at = waiting.pop()
        needed = {each for value in signals[at].values() if (each := _name(value)) in signals and each is not None}
        if name in needed:
            way = [name, at]
            while way[-1] != name:
                way.append(came[way[-1]])
            return way[::-1]
        new = [each for each in sorted(needed) if each not in came]
        came |= dict.fromkeys(new, at)
        waiting += new
    return None


def _sensors(kind: dict[str, Any]) -> Iterator[Fault]:
    signals, sensors = _parts(kind, "signals"), _parts(kind, "sensors")
    periods = {}
    for name, sensor in sensors.items():
        signal = sensor.get("signal")
        if isinstance(signal, str) and signal not in signals:
            yield ("sensors", name, "signal"), unknown("signal", signal, signals)
        try:
            periods[name] = quantity(sensor["period"], DURATION) if "period" in sensor else _PERIOD
        except PydanticCustomError:
            continue
    if all(period > 0 for period in periods.values()):
        yield from period_faults(periods)
    given = (sensor.get("deadband") for sensor in sensors.values())
    yield from deadband_faults({str(at): float(each) for at, each in enumerate(given) if isinstance(each, int | float)})


def _electrical(kind: dict[str, Any]) -> Iterator[Fault]:
    signals, name = _parts(kind, "signals"), kind.get("electrical")
    if isinstance(name, str) and name not in signals:
        yield ("electrical",), unknown("signal", name, signals)
    if kind.get("meter") and name is not None:
        yield ("electrical",), "must be absent: a meter does not measure itself"
    for leader in ("receiver", "meter"):
        for other in ("cycle", "setpoint", "micro_stop", "meter"):
            if kind.get(leader) and kind.get(other) and other != leader:
                yield (other,), f"must be absent: what a kind with a '{leader}' does follows from its line"
    receiver = mapping(kind.get("receiver"))
    low, high = split(receiver.get("least")), split(receiver.get("most"))
    if low is not None and high is not None and low[1] == high[1] and low[0] > high[0]:
        yield ("receiver", "most"), f"must be at least 'least', {low[0]:g}{low[1]}, got {high[0]:g}{high[1]}"


_PERIOD: float = Sensor.model_fields["period"].default
