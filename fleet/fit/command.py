"""``fleet fit``: what was asked for, and what is written and said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.errors import RequestError, ScenarioError
from fleet.fit.findings import findings_of
from fleet.fit.fit import Progress, fit
from fleet.fit.part import part_of
from fleet.fit.report import report_lines
from fleet.scenario.document import parse, refused
from fleet.scenario.kinds import find_kinds
from fleet.scenario.load import check
from fleet.scenario.wording import shortened, unknown
from fleet.sim.laws import LAW_INPUTS


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What was asked for: ``a=b`` texts are as they were written."""

    file: Path
    kind: str
    mapping: tuple[str, ...]
    sensors: tuple[str, ...]
    out: Path
    plot: Path | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The table, and what a person should know of the file and of what was written."""

    table: tuple[str, ...]
    said: tuple[str, ...]


def carry_out(request: FitRequest, progress: Progress) -> Answer:
    """Fit, write the part and the picture.

    RequestError and ScenarioError have one located line for what cannot be: a file that is no table of readings, an
    unknown kind, column or sensor, a file that cannot be written.
    """
    mapping = pairs("--map", (each for text in request.mapping for each in text.split(",")), "time=COLUMN")
    renamed = pairs("--sensor", request.sensors, "PT101=discharge_pressure")
    if request.plot is not None:
        from fleet.fit.picture import check_picture

        check_picture(request.plot)
    folder = str(request.out.parent)
    kinds, problems, known = find_kinds([request.kind], folder=folder, laws=LAW_INPUTS)
    if problems:
        raise ScenarioError(problems)
    if request.kind not in kinds:
        raise refused("--kind", unknown("kind", request.kind, known))
    kind = kinds[request.kind]
    if not kind.sensors:
        raise RequestError(f"--kind: {shortened(request.kind)} has no sensors: there is nothing to fit")
    fitted = fit(request.file, kind, mapping=mapping, renamed=renamed, progress=progress)
    if not fitted.fits:
        raise RequestError(f"{request.file}: no machine in it ever executes: there is nothing to fit")
    findings = findings_of(fitted)
    text = part_of(fitted, findings, source=request.file.name)
    check(parse(text.encode(), file=str(request.out)), folder=folder, laws=LAW_INPUTS)
    _write(request.out, text)
    said = [
        *fitted.remarks,
        f"wrote {request.out}; try: fleet check {request.out} --expand, then: fleet run {request.out}",
    ]
    if request.plot is not None:
        from fleet.fit.picture import draw

        progress("drawing")
        draw(fitted, text, request.plot, folder=folder)
        said.append(f"wrote {request.plot}")
    return Answer(tuple(report_lines(fitted, findings)), tuple(said))


def pairs(option: str, texts: Iterable[str], example: str) -> Mapping[str, str]:
    """Read texts like ``a=b``; RequestError where one is none, or says the same twice."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise RequestError(f"{option}: must be like {example}, got '{shortened(text)}'")
        if key.strip() in found:
            raise RequestError(f"{option}: says '{shortened(key.strip())}' twice")
        found[key.strip()] = value.strip()
    return found


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{file}: cannot be written: {error.strerror}") from None
