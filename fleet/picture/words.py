"""The words of pictures: names without underscores, units as people write them, shares."""

from __future__ import annotations

_UNITS = {"1": "", "degC": "°C", "m3/h": "m³/h", "%RH": "% RH"}


def plain(name: str) -> str:
    """Write a name of a file as people read it."""
    return name.replace("_", " ").capitalize()


def unit_text(units: str) -> str:
    """Write units as they are printed."""
    return _UNITS.get(units, units)


def titled(name: str, units: str) -> str:
    """Write what a sensor measures, and in what; a count has no units."""
    return plain(name) if units == "1" else f"{plain(name)}, {unit_text(units)}"


def percent(share: float) -> str:
    """Write a share, with as many digits as it deserves; never 100 % of what is not all, never 0 of what is some."""
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        return "> 99.9 %"
    if text == "0.0" and share > 0:
        return "< 0.1 %"
    return "0" if share == 0 else f"{text} %"


def number_text(value: float, resolution: float) -> str:
    """Write a *value* to the digits that its sensor's *resolution* has."""
    digits = max(0, len(f"{resolution:.6f}".rstrip("0").partition(".")[2]))
    return f"{value:,.{min(digits, 3)}f}"


def bytes_text(size: int) -> str:
    """Write a size for people."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
