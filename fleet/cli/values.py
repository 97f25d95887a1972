"""Values of options, as people write them; RequestError names the option where one is wrong."""

from __future__ import annotations

from collections.abc import Collection

import typer

from fleet.errors import RequestError

SPEED_MAX = 1e6


def choice(option: str, value: str, known: tuple[str, ...]) -> str:
    """Give *value*, which must be one of those *known*."""
    if value in known:
        return value
    raise RequestError(f"{option}: must be {' or '.join(known)}, got {value!r}")


def speed_of(text: str) -> float:
    """Read a speed: simulated against wall time; infinity is as fast as it goes."""
    if text == "max":
        return float("inf")
    try:
        value = float(text.removesuffix("x"))
    except ValueError:
        value = 0.0
    if not 0 < value <= SPEED_MAX:
        raise RequestError(f"--speed: must be 'max' or a number above 0 and at most {SPEED_MAX:,.0f}, got {text!r}")
    return value


def duration_us(option: str, text: str) -> int:
    """Read a span of time above 0."""
    from fleet.scenario.quantities import DURATION, bounded

    try:
        return round(bounded(DURATION, above=0)(text) * 1_000_000)
    except ValueError as error:
        raise RequestError(f"{option}: {error}") from None


def size(option: str, text: str) -> int:
    """Read a size in bytes above 0."""
    from fleet.scenario.quantities import BYTES, bounded

    try:
        return round(bounded(BYTES, above=0)(text))
    except ValueError as error:
        raise RequestError(f"{option}: {error}") from None


def said(context: typer.Context, *, but: Collection[str]) -> tuple[str, ...]:
    """Give the words of all options that the command line has, *but* those parameters: what repeats them."""
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in but or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        option = parameter.opts[0]
        if value is True:
            words.append(option)
        else:
            for each in value if isinstance(value, (list, tuple)) else [value]:
                words += [option, str(each)]
    return tuple(words)
