"""The page of `fleet plot`: one file with everything in it, for wide and narrow screens, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from fleet.data import State
from fleet.picture.figures import DEFINITIONS, Figures, figures_of, shares_of_all
from fleet.picture.palette import MEANINGS, STATES, TONES
from fleet.picture.story import Lived, Span, States, Told
from fleet.picture.tables import ROWS_MAX, table_of_faults, table_of_incidents
from fleet.picture.words import number_text, percent, plain, unit_text
from fleet.scenario.times import moment, span_text

_DAY = "".join(f"--{tone.name}:{tone.day};" for tone in TONES)
_NIGHT = "".join(f"--{tone.name}:{tone.night};" for tone in TONES)
_STYLE = f"""
:root{{color-scheme:light dark;{_DAY}}}
@media (prefers-color-scheme:dark){{:root{{{_NIGHT}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;padding:1rem;max-width:68rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}}
h1{{font-size:1.5rem;margin:.2rem 0}}h2{{font-size:1.2rem;margin:2.2rem 0 .4rem;overflow-wrap:anywhere}}
p{{margin:.3rem 0 .8rem;max-width:46rem}}.soft,caption,dt{{color:var(--soft)}}
code{{overflow-wrap:anywhere;font-size:.88rem}}a{{color:var(--line)}}
nav ul{{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0;margin:.4rem 0}}
svg{{display:block;width:100%;height:auto;font-family:inherit}}svg.narrow{{display:none}}
@media (max-width:44rem){{svg.wide{{display:none}}svg.narrow{{display:block}}body{{padding:.7rem}}}}
.scroll{{overflow-x:auto;margin:.6rem 0}}table{{border-collapse:collapse;font-size:.88rem}}
caption{{text-align:left;padding:.2rem 0}}th,td{{padding:.22rem .7rem .22rem 0;text-align:right;
border-bottom:1px solid var(--rule);white-space:nowrap;font-variant-numeric:tabular-nums}}
th:first-child,td:first-child,.text{{text-align:left}}th{{font-weight:600}}tbody th{{font-weight:400}}
details{{margin:.6rem 0}}summary{{cursor:pointer}}
.nowrap{{white-space:nowrap}}
i.key{{display:inline-block;width:.8em;height:.8em;margin-right:.35em;border:1px solid var(--soft)}}
"""


_READING = (
    "Lines show the mean reading of each column of pixels, bands its smallest and largest reading. Tinted is the time "
    "in which a machine was not executing, violet that in which wear showed before it failed, orange incidents: "
    "a machine's faults behind all its sensors, a sensor's in its own panel. Where a line is broken nothing was read. "
    "A mark below a sensor is a reading whose quality was not good."
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture in both its sizes, as SVG that is part of a page."""

    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is about."""

    title: str
    about: str
    span: Span
    machines: int  # in the scenario
    lines: int
    shown: str  # which of the machines the heat map has, where it has not all
    commands: Sequence[tuple[str, str]]  # what each does, and itself


def write_page(
    subject: Subject,
    fleet: tuple[Picture, States] | None,
    machines: Sequence[tuple[Picture, Told]],
    *,
    after: Mapping[str, str] | None = None,
) -> str:
    """Write the page of *subject*: the *fleet*'s heat map, then each of the *machines*; *after* its picture more."""
    return "".join(_page(subject, fleet, machines, after or {}))


def _page(
    subject: Subject,
    fleet: tuple[Picture, States] | None,
    machines: Sequence[tuple[Picture, Told]],
    after: Mapping[str, str],
) -> Iterator[str]:
    title = escape(subject.title)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f'<meta name="generator" content="fleet plot">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
    yield f"</head>\n<body>\n<header><h1>{title}</h1>\n<p>{escape(subject.about)}</p>\n<p>{_what(subject)}</p>\n"
    if len(machines) > 1:
        links = "".join(f'<li><a href="#m{n}">{_name(told)}</a></li>' for n, (_, told) in enumerate(machines))
        yield f'<nav aria-label="Machines"><ul>{links}</ul></nav>\n'
    yield "</header>\n<main>\n"
    if fleet is not None:
        yield from _fleet(subject, *fleet)
    for number, (picture, told) in enumerate(machines):
        yield from _machine(number, picture, told, subject.span.stop_us, after.get(told.lived.machine.id, ""))
    yield "</main>\n<footer>\n<h2>How this was made</h2>\n"
    yield f"<p>{DEFINITIONS}</p>\n<p>{_READING}</p>\n<dl>"
    for what, command in subject.commands:
        yield f"<dt>{escape(what)}</dt><dd><code>{escape(command)}</code></dd>"
    yield "</dl>\n</footer>\n</body>\n</html>\n"


def _what(subject: Subject) -> str:
    span, start = subject.span, moment(subject.span.start_us)
    return (
        f"{_counted(subject.machines, 'machine')} in {_counted(subject.lines, 'line')}, "
        f"{span_text(span.stop_us - span.start_us)} from "
        f'<time datetime="{start}">{start}</time>, seed {span.seed}.'
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _name(told: Told) -> str:
    return escape(told.lived.machine.id)


# ---- the fleet


def _fleet(subject: Subject, picture: Picture, states: States) -> Iterator[str]:
    yield f'<section id="fleet">\n<h2>The fleet</h2>\n<p class="soft">{escape(subject.shown)}</p>\n'
    yield f"{picture.wide}\n{picture.narrow}\n"
    yield f"<p>{_keys(shares_of_all(states.lived))}</p>\n"
    if any(label.incident for label in states.labels):
        yield table_of_incidents(states.labels, subject.span.stop_us)
    yield _table_of_machines(states.lived)
    yield "</section>\n"


def _keys(shares: Mapping[State, float]) -> str:
    """Say what the colours mean, and how much of all time has each."""
    listed = [
        f'<span class="nowrap"><i class="key" style="background:{colour}"></i>{state.name.lower()} '
        f"{percent(shares[state])}</span> "
        f'<span class="soft">({MEANINGS[state]})</span>'
        for state, colour in STATES.items()
        if shares.get(state)
    ]
    return "; ".join(listed) + "." if listed else ""


def _table_of_machines(lived: Sequence[Lived]) -> str:
    """Write the share of time that each machine was in each state, and what follows."""
    some = [(each, figures_of(each)) for each in lived[:ROWS_MAX]]
    states = [state for state in STATES if any(figures.shares.get(state) for _, figures in some)]
    doors = any(figures.open_share is not None for _, figures in some)
    heads = ["Machine", "Kind", *(state.name.capitalize() for state in states), *(["Open"] if doors else [])]
    heads += ["Availability", "Performance", "Quality", "OEE", "Parts", "Micro-stops", "Failures"]
    rows = []
    for each, figures in some:
        cells = [percent(figures.shares.get(state, 0.0)) if figures.shares else "" for state in states]
        cells += ([] if figures.open_share is None else [percent(figures.open_share)]) if doors else []
        cells += [""] * (doors and figures.open_share is None)
        cells += _ending(each, figures)
        rows.append(f'<tr><th scope="row">{escape(each.machine.id)}</th><td class="text">{escape(each.kind.kind)}</td>')
        rows.append("".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    left = len(lived) - len(some)
    more = f" The first {len(some)}; {left:,} more are in the picture." if left else ""
    head = "".join(f'<th scope="col"{_text(name)}>{name}</th>' for name in heads)
    return (
        f"<details{' open' * (len(lived) <= 30)}><summary>States by share of time, OEE, parts</summary>"
        f'<div class="scroll"><table><caption>Share of the time in each state.{more}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>\n"
    )


def _text(name: str) -> str:
    return ' class="text"' if name == "Kind" else ""


def _ending(each: Lived, figures: Figures) -> list[str]:
    if each.is_door:
        return ["", "", "", "", f"{each.parts or 0:,} openings", "", ""]
    shares = (figures.availability, figures.performance, figures.quality, figures.oee)
    return [
        *("" if share is None else percent(share) for share in shares),
        "" if figures.parts is None else f"{figures.parts:,}",
        f"{figures.micro_stops:,}",
        f"{figures.failures:,}",
    ]


# ---- one machine


def _machine(number: int, picture: Picture, told: Told, stop_us: int, more: str) -> Iterator[str]:
    lived = told.lived
    yield f'<section id="m{number}">\n<h2>{_name(told)}</h2>\n'
    yield f'<p class="soft">{escape(lived.kind.kind)}, line {escape(lived.machine.line)}. {said_of(lived)}</p>\n'
    yield f"{picture.wide}\n{picture.narrow}\n"
    yield more
    if told.labels:
        yield table_of_faults(told.labels, told.left_out, stop_us)
    if told.readings is not None:
        yield _table_of_sensors(told)
    yield "</section>\n"


def said_of(lived: Lived) -> str:
    """Say in a sentence what became of a machine."""
    figures = figures_of(lived)
    if figures.open_share is not None:
        return f"Open {percent(figures.open_share)} of the time, {lived.parts or 0:,} openings."
    shares = ", ".join(f"{state.name.lower()} {percent(figures.shares[state])}" for state in STATES
                       if figures.shares[state])  # fmt: skip
    words = [f"Time: {shares}."]
    if figures.availability is not None:
        technical = "" if figures.technical is None else f", technical {percent(figures.technical)}"
        words.append(f"Availability {percent(figures.availability)}{technical}.")
    if figures.oee is not None:
        words.append(f"OEE {percent(figures.oee)}.")
    if figures.parts is not None and figures.parts_per_hour is not None:
        words.append(f"{_counted(figures.parts, 'part')}, {figures.parts_per_hour:,.1f} an hour of planned time.")
    words.append(f"{_counted(figures.failures, 'failure')}, {_counted(figures.micro_stops, 'micro-stop')}.")
    return " ".join(words)


def _table_of_sensors(told: Told) -> str:
    """Write what each sensor read at least, on average and at most."""
    readings = told.readings
    assert readings is not None, "asked by who knows"
    rows = []
    for number, (name, sensor) in enumerate(told.lived.kind.sensors.items()):
        count = int(readings.count[number].sum())
        cells = ["", "", ""]
        if count:
            values = (readings.low[number].min(), readings.total[number].sum() / count, readings.high[number].max())
            cells = [number_text(float(value), sensor.resolution) for value in values]
        cells.append(f"{count:,}")
        rows.append(
            f'<tr><th scope="row">{escape(plain(name))}</th><td class="text">{escape(unit_text(sensor.units))}</td>'
        )
        rows.append("".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    heads = ("Sensor", "Units", "Least", "Mean", "Most", "Readings")
    head = "".join(f'<th scope="col"{" class=" + chr(34) + "text" + chr(34) if name == "Units" else ""}>{name}</th>'
                   for name in heads)  # fmt: skip
    return (
        "<details><summary>Sensors in numbers</summary>"
        '<div class="scroll"><table><caption>What each sensor read.</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>\n"
    )
