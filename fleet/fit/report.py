"""What the fit found, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.fit.fit import Fitted
from fleet.fit.found import Findings

HEADS = ("", "the kind's", "fitted", "how sure")


def report_lines(fitted: Fitted, findings: Findings) -> Iterator[str]:
    """Yield a table of what was found, and a list of what was not, with why."""
    machines = ", ".join(fit.record.machine for fit in fitted.fits)
    yield f"{fitted.kind.kind}: {len(fitted.fits)} machine{'' if len(fitted.fits) == 1 else 's'} ({machines})"
    names = [(f"{row.name}, spread" if row.section == "spread" else row.name) for row in findings.rows]
    cells = [HEADS, *((name, row.default, row.found, row.sure) for name, row in zip(names, findings.rows, strict=True))]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    for row in cells:
        yield f"  {row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip()
    if findings.unknowable:
        yield "not in these readings, the kind's own is kept:"
        for each in findings.unknowable:
            yield f"  {each.name}: {each.why}"
