"""A kind with some of its parameters, sensors, nodes and rules changed: what ``set`` and ``rate`` do."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, create_model

from fleet.errors import Problem, ScenarioError
from fleet.scenario.dimensions import range_faults
from fleet.scenario.fields import Model
from fleet.scenario.forms import Laws
from fleet.scenario.kind import (
    BASE_PERIOD_MIN_S,
    Cycle,
    Kind,
    MicroStop,
    Node,
    Parameter,
    Sensor,
    Setpoint,
    deadband_faults,
    period_faults,
)
from fleet.scenario.problems import faults
from fleet.scenario.quantities import DIMENSIONS
from fleet.scenario.wording import Path, path_text, shown, unknown

Fault = tuple[Path, str]
Part = TypeVar("Part", bound=Model)


def _loose(model: type[Model], *names: str) -> Any:
    """Return *model* with the fields *names* only, none of them required."""
    fields = {name: model.model_fields[name] for name in names}
    optional: dict[str, Any] = {
        name: (_annotation(field), Field(default=None, alias=field.alias)) for name, field in fields.items()
    }
    return create_model(f"{model.__name__}Settings", __base__=Model, **optional)


def _annotation(field: Any) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


ParameterSettings = _loose(Parameter, "value", "spread")
SensorSettings = _loose(Sensor, *(name for name in Sensor.model_fields if name not in ("signal", "units")))
NodeSettings = _loose(Node, "tau", "tau_at_rest", "lag")
RULES: dict[str, Any] = {
    "cycle": _loose(Cycle, "jitter", "spread"),
    "setpoint": _loose(Setpoint, *Setpoint.model_fields),
    "micro_stop": _loose(MicroStop, *MicroStop.model_fields),
}
"""What a kind does by itself, by its section in the kind's file, and what of it may be set."""


def with_settings(kind: Kind, settings: dict[str, Any], *, rate: float | None = None, laws: Laws | None = None) -> Kind:
    """Return *kind* with *settings*, scanned at *rate* (1/s); ScenarioError has every fault of them."""
    result, found = apply(kind, settings, rate=rate, laws=laws)
    if found:
        raise ScenarioError([Problem(f"kind {kind.kind}", 0, path_text(path), text) for path, text in found])
    return result


def apply(
    kind: Kind, settings: dict[str, Any], *, rate: float | None = None, laws: Laws | None = None
) -> tuple[Kind, list[Fault]]:
    """Return *kind* with those *settings* that are right, and every fault of the others.

    With *laws*, a parameter that is set must be in the range of every law that takes it.

    Where a parameter and a sensor have the same name, a mapping means the sensor, but for ``value`` and ``spread``,
    which no sensor has. A parameter or a sensor goes before a node or a rule of its name.
    """
    parameters, sensors, nodes = dict(kind.parameters), dict(kind.sensors), dict(kind.nodes)
    rules = {name: rule for name in RULES if (rule := getattr(kind, name)) is not None}
    found: list[Fault] = []
    for name, value in settings.items():
        if name in parameters and name in sensors and isinstance(value, dict):
            own = {key: each for key, each in value.items() if key in ParameterSettings.model_fields}
            rest = {key: each for key, each in value.items() if key not in own}
            parameters[name], wrong = _parameter(parameters[name], own) if own else (parameters[name], [])
            sensors[name], more = _part(sensors[name], SensorSettings, rest, "{period: 5 s}")
            wrong = [*wrong, *more]
        elif name in parameters:
            parameters[name], wrong = _parameter(parameters[name], value)
        elif name in sensors:
            sensors[name], wrong = _part(sensors[name], SensorSettings, value, "{period: 5 s}")
        elif name in nodes:
            nodes[name], wrong = _part(nodes[name], NodeSettings, value, "{tau: 20 min}")
        elif name in rules:
            rules[name], wrong = _rule(rules[name], RULES[name], value)
        else:
            known = [*parameters, *sensors, *nodes, *rules]
            wrong = [((), unknown(f"parameter or sensor of {kind.kind}", name, known))]
        found += [(("set", name, *path), text) for path, text in wrong]
    if not found:
        periods = {name: sensor.period for name, sensor in sensors.items()}
        deadbands = {name: sensor.deadband for name, sensor in sensors.items()}
        wrong = [*period_faults(periods), *deadband_faults(deadbands)]
        found = [(("set", *path[1:]), text) for path, text in wrong]
    result = kind.model_copy(update={"parameters": parameters, "sensors": sensors, "nodes": nodes, **rules})
    if laws is not None:
        found += _out_of_range(result, settings, laws)
    if rate is not None and not found:
        result, wrong = _scanned(result, rate)
        found += wrong
    return result, found


def _out_of_range(kind: Kind, settings: dict[str, Any], laws: Laws) -> list[Fault]:
    """Return the parameters among *settings* whose new value no law that takes them can work with."""
    inputs = {name: {"law": signal.law, **signal.inputs} for name, signal in kind.signals.items()}
    values = {name: kind.parameters[name].value.value for name in settings if name in kind.parameters}
    faults: list[Fault] = []
    for name, text in range_faults(inputs, values, laws):
        given = settings[name]
        inside = isinstance(given, dict)
        where: Path = ("set", name, "value") if inside else ("set", name)
        faults.append((where, f"{text}, got {shown(given.get('value') if inside else given)}"))
    return faults


def _parameter(parameter: Parameter, value: object) -> tuple[Parameter, list[Fault]]:
    dimension = DIMENSIONS[parameter.value.dimension]
    given = value if isinstance(value, dict) else {"value": value}
    try:
        loose = ParameterSettings.model_validate(given)
    except ValidationError as error:
        wrong = faults(ParameterSettings, error)
        return parameter, wrong if isinstance(value, dict) else [((), text) for _, text in wrong]
    update = {name: getattr(loose, name) for name in loose.model_fields_set}
    where: Path = ("value",) if isinstance(value, dict) else ()
    if (new := update.get("value", parameter.value)).dimension != dimension.name:
        return parameter, [(where, f"must be {dimension.noun} like '{dimension.example}', got {shown(given['value'])}")]
    if (parameter.value.value > 0) and new.value <= 0:
        return parameter, [(where, f"must be above 0 {dimension.unit}".rstrip() + f", got {given['value']}")]
    return parameter.model_copy(update=update), []


def _part(part: Part, settings: Any, value: object, example: str) -> tuple[Part, list[Fault]]:
    """Return *part*, a sensor or a node, with what *value* gives, which *settings* checks."""
    if not isinstance(value, dict):
        return part, [((), f"must be a mapping like {example}, got {shown(value)}")]
    try:
        loose = settings.model_validate(value)
    except ValidationError as error:
        return part, faults(settings, error)
    return part.model_copy(update={name: getattr(loose, name) for name in loose.model_fields_set}), []


def _rule(rule: Model, settings: Any, value: object) -> tuple[Model, list[Fault]]:
    """Return *rule* with what *value* gives; a setpoint's range must stay one."""
    new, wrong = _part(rule, settings, value, "{" + next(iter(settings.model_fields)) + ": ...}")
    if not wrong and isinstance(new, Setpoint) and new.low > new.high:
        return rule, [((), f"must have 'from' at most 'to', got {new.low:g} and {new.high:g}")]
    return new, wrong


def _scanned(kind: Kind, rate: float) -> tuple[Kind, list[Fault]]:
    """Return *kind* with the base period 1/*rate*; its sensors keep their multiples."""
    base = max(1 / rate, BASE_PERIOD_MIN_S)
    sensors = {
        name: sensor.model_copy(update={"period": base * kind.multiple(name)}) for name, sensor in kind.sensors.items()
    }
    if not sensors:
        return kind, [(("rate",), f"must be absent: {kind.kind} has no sensors to scan")]
    return kind.model_copy(update={"sensors": sensors}), []
