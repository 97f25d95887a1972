"""The part of a scenario that machines like those of the readings come from, as YAML text."""

from __future__ import annotations

from fleet.fit.fit import Fitted
from fleet.fit.found import Findings

SEED = 1


def part_of(fitted: Fitted, findings: Findings, *, source: str) -> str:
    """Write a scenario of one line of as many machines as were fitted, with their settings.

    It is complete, so that ``fleet run`` takes it as it is; its ``lines`` fit into any other scenario.
    """
    kind = fitted.kind.kind
    lines = [
        "# yaml-language-server: $schema=../schemas/scenario.schema.json",
        "fleet: 1",
        "name: fitted",
        f"about: {_quoted(f'Machines of kind {kind} as {source} shows them.')}",
        f"seed: {SEED}",
    ]
    if findings.hall_mean is not None:
        lines.append(f"halls: [{{name: fitted, mean: {findings.hall_mean:.4g} degC}}]")
    lines += ["lines:", "  - name: fitted"]
    if findings.hall_mean is not None:
        lines.append("    hall: fitted")
    lines += ["    machines:", f"      - kind: {kind}", f"        count: {len(fitted.fits)}"]
    if findings.settings:
        lines.append("        set:")
        for name, properties in findings.settings.items():
            inside = ", ".join(f"{key}: {value}" for key, value in properties.items())
            lines.append(f"          {name}: {{{inside}}}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
