"""A small bar chart as SVG: one bar a client, with the spread of its rounds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.figures import Row

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 820, 290, 70, 16, 8, 34
FONT = 'font-family="sans-serif" font-size="12"'
OURS, THEIRS, SPREAD = "#0b7285", "#adb5bd", "#343a40"


def bars(title: str, rows: Sequence[Row], *, ours: str) -> str:
    """Draw *rows*, largest first, in millions; the one of the case *ours* in colour."""
    rows = sorted(rows, key=lambda row: -row.median)
    scale = (WIDTH - LEFT - RIGHT) / max(row.high for row in rows)
    height = TOP + len(rows) * (BAR + GAP) + GAP
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="8" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        colour = OURS if row.case == ours else THEIRS
        y = TOP + number * (BAR + GAP)
        middle, end = y + BAR / 2, LEFT + row.median * scale
        low, high = LEFT + row.low * scale, LEFT + row.high * scale
        drawn += [
            f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(row.case)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{SPREAD}"/>',
            f'<text x="{max(end, high) + 6:.1f}" y="{middle + 4}">{row.median / 1e6:.2f} M</text>',
        ]
    return "\n".join([*drawn, "</svg>", ""])
