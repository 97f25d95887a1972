"""matplotlib's SVG made small, and for pages: it takes the page's colours by day and by night."""

from __future__ import annotations

import re

from fleet.picture.palette import TONES

_PATH = re.compile(r' d="([^"]*)"')
_STEP = re.compile(r"([MLZ])\s*([-\d.]+)?\s*([-\d.]+)?\s*")
_STRAIGHT = re.compile(r"[MLZz\d.\s-]*")
_PROLOGUE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', re.DOTALL)
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*|font: (\d+) ([\d.]+)px [^;\"]*")
_IDS = re.compile(r'(?<= id=")|(?<=url\(#)|(?<=href="#)')
_BETWEEN = re.compile(r">\s+<")

GRAIN = 10
"""Coordinates are kept to a tenth of a point: a quarter of a pixel on a page."""


def compact(svg: str) -> str:
    """Write *svg* without what no viewer needs, its paths in relative tenths of points."""
    svg = _PROLOGUE.sub("", svg)
    svg = _PATH.sub(lambda found: f' d="{_relative(found[1])}"', svg)
    return _BETWEEN.sub("><", svg).strip()


def _relative(path: str) -> str:
    """Rewrite a path of straight lines relative to its last point; others stay as they are."""
    if not _STRAIGHT.fullmatch(path):
        return " ".join(path.split())
    out: list[str] = []
    x = y = 0
    before = ""
    for letter, right, down in _STEP.findall(path.upper()):
        if letter == "Z":
            out.append("z")
            before = ""
            continue
        to_x, to_y = round(float(right) * GRAIN), round(float(down) * GRAIN)
        if letter == "M":
            out.append(f"M{_number(to_x)}{_joined(to_y)}")
        elif (to_x, to_y) != (x, y):
            out.append(("l" if before != "L" else _space(to_x - x)) + f"{_number(to_x - x)}{_joined(to_y - y)}")
        else:
            continue
        x, y, before = to_x, to_y, letter
    return "".join(out)


def _number(tenths: int) -> str:
    """Write tenths as a number as short as SVG allows."""
    text = f"{tenths / GRAIN:g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _joined(tenths: int) -> str:
    return f"{_space(tenths)}{_number(tenths)}"


def _space(tenths: int) -> str:
    return "" if tenths < 0 else " "


def for_page(svg: str, *, name: str, label: str) -> str:
    """Make *svg* part of a page: its ids begin with *name*, *label* is read aloud, colours and font are the page's."""
    svg = compact(svg)
    box = _SIZE.search(svg)
    assert box is not None, "matplotlib's SVG has a viewBox"
    head = f'<svg class="{name.partition("-")[0]}" viewBox="{box[1]}" role="img" aria-label="{label}">'
    svg = svg[: box.start()] + head + svg[box.end() :]
    svg = _IDS.sub(f"{name}-", svg)
    for tone in TONES:
        svg = svg.replace(tone.day, f"var(--{tone.name})")
    return _FONT.sub(_font, svg)


def _font(found: re.Match[str]) -> str:
    """Keep a text's size and weight; its family is the page's."""
    weight = f"; font-weight: {found[2]}" if found[2] else ""
    return f"font-size: {found[1] or found[3]}px{weight}"
