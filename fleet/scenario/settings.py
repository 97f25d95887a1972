"""A kind with some of its parameters and sensors changed: what ``set`` and ``rate`` do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ValidationError, create_model

from fleet.errors import Problem, ScenarioError
from fleet.scenario.fields import Model
from fleet.scenario.kind import BASE_PERIOD_MIN_S, Kind, Parameter, Sensor, deadband_faults, period_faults
from fleet.scenario.problems import faults
from fleet.scenario.quantities import DIMENSIONS
from fleet.scenario.wording import Path, path_text, shown, unknown

Fault = tuple[Path, str]


def _loose(model: type[Model], *names: str) -> Any:
    """Return *model* with the fields *names* only, none of them required."""
    fields = {name: model.model_fields[name] for name in names}
    optional: dict[str, Any] = {name: (_annotation(field), None) for name, field in fields.items()}
    return create_model(f"{model.__name__}Settings", __base__=Model, **optional)


def _annotation(field: Any) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


ParameterSettings = _loose(Parameter, "value", "spread")
SensorSettings = _loose(Sensor, *(name for name in Sensor.model_fields if name not in ("signal", "units")))


def with_settings(kind: Kind, settings: dict[str, Any], *, rate: float | None = None) -> Kind:
    """Return *kind* with *settings*, scanned at *rate* (1/s); ScenarioError has every fault of them."""
    result, found = apply(kind, settings, rate=rate)
    if found:
        raise ScenarioError([Problem(f"kind {kind.kind}", 0, path_text(path), text) for path, text in found])
    return result


def apply(kind: Kind, settings: dict[str, Any], *, rate: float | None = None) -> tuple[Kind, list[Fault]]:
    """Return *kind* with those *settings* that are right, and every fault of the others.

    Where a parameter and a sensor have the same name, a mapping means the sensor.
    """
    parameters, sensors = dict(kind.parameters), dict(kind.sensors)
    found: list[Fault] = []
    for name, value in settings.items():
        if name in parameters and not (name in sensors and isinstance(value, dict)):
            parameters[name], wrong = _parameter(parameters[name], value)
        elif name in sensors:
            sensors[name], wrong = _sensor(sensors[name], value)
        else:
            known = [*parameters, *sensors]
            wrong = [((), unknown(f"parameter or sensor of {kind.kind}", name, known))]
        found += [(("set", name, *path), text) for path, text in wrong]
    if not found:
        periods = {name: sensor.period for name, sensor in sensors.items()}
        deadbands = {name: sensor.deadband for name, sensor in sensors.items()}
        wrong = [*period_faults(periods), *deadband_faults(deadbands)]
        found = [(("set", *path[1:]), text) for path, text in wrong]
    result = kind.model_copy(update={"parameters": parameters, "sensors": sensors})
    if rate is not None and not found:
        result, wrong = _scanned(result, rate)
        found += wrong
    return result, found


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


def _sensor(sensor: Sensor, value: object) -> tuple[Sensor, list[Fault]]:
    if not isinstance(value, dict):
        return sensor, [((), f"must be a mapping like {{period: 5 s}}, got {shown(value)}")]
    try:
        loose = SensorSettings.model_validate(value)
    except ValidationError as error:
        return sensor, faults(SensorSettings, error)
    return sensor.model_copy(update={name: getattr(loose, name) for name in loose.model_fields_set}), []


def _scanned(kind: Kind, rate: float) -> tuple[Kind, list[Fault]]:
    """Return *kind* with the base period 1/*rate*; its sensors keep their multiples."""
    base = max(1 / rate, BASE_PERIOD_MIN_S)
    sensors = {
        name: sensor.model_copy(update={"period": base * kind.multiple(name)}) for name, sensor in kind.sensors.items()
    }
    if not sensors:
        return kind, [(("rate",), f"must be absent: {kind.kind} has no sensors to scan")]
    return kind.model_copy(update={"sensors": sensors}), []
