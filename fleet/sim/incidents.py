"""The incidents of a scenario in a worker's simulation: what strikes whom, what the plant has of it, and the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np

from fleet.data import SECOND_US, Bools, Injection, Ints, KindColumns, Label, LostScans, SilentScans, State
from fleet.faults.catalogue import MACHINE
from fleet.faults.machine import MACHINE_FAULTS
from fleet.scenario.roster import Roster
from fleet.scenario.scripted import ENDLESS_US, Scripted, followed
from fleet.sim.address import word_of
from fleet.sim.calendar import NEVER_US
from fleet.sim.changes import Spans
from fleet.sim.cohorts import Model
from fleet.sim.effects import DAMAGE
from fleet.sim.gateway import CaseKey, Gateways
from fleet.sim.injecting import injection_rate, injections
from fleet.sim.labelling import Scripts, Worn
from fleet.sim.misread import Absent
from fleet.sim.strikes import STRUCK_BY, Strike
from fleet.sim.struck import Cases, Struck, case_id, struck

MAY_LOSE = frozenset({"dropout"})
"""Sensor faults that leave readings without a record."""


class Incidents:
    """Everything scripted that happens to the machines of *built*, and the truth about that and about wear."""

    def __init__(self, roster: Roster, built: Sequence[Model], *, start_us: int) -> None:
        self._scripted = scripted = roster.script.scripted
        self.struck = [struck(scripted, model, start_us=start_us) for model in built]
        self.models = [_marked(model, of) for model, of in zip(built, self.struck, strict=True)]
        self._cases = {(cohort, cases.fault): cases for cohort, of in enumerate(self.struck) for _, cases in of.cases}
        self._strikes = self._struck_by_plant(start_us)
        self._unlearned = dict(self._strikes)
        lines = [roster.line[model.members] for model in built]
        self._gateways = Gateways(self.models, self.struck, lines)
        self._scripts = Scripts(scripted, self.models, self.struck, self._strikes, self._gateways)
        self._worn = [Worn(model) for model in self.models]

    @property
    def strikes(self) -> list[Strike]:
        """What the plant has to bring about or to wait for."""
        return list(self._strikes.values())

    def learn(self) -> None:
        """Take over from the plant when things set in, and that machines stand still."""
        told: list[CaseKey] = []
        for key, strike in self._unlearned.items():
            if strike.onset_us == NEVER_US:
                continue
            cases, case = self._cases[key[:2]], key[2]
            if cases.onset_us[case] == NEVER_US:
                endless = strike.lasts_us == ENDLESS_US
                cases.onset_us[case] = strike.onset_us
                cases.stop_us[case] = ENDLESS_US if endless else strike.onset_us + strike.lasts_us
            cases.stop_us[case] = min(int(cases.stop_us[case]), strike.failed_us)
            if strike.stops_us == NEVER_US or strike.failed_us < NEVER_US:
                told.append(key)
        for key in told:
            del self._unlearned[key]

    def apart(self, cohort: int, start_us: int, stop_us: int) -> Bools | None:
        """Say which machines of a cohort have scans in a block that may be lost or held back; None: none has."""
        struck = self.struck[cohort]
        losing = (*struck.transport.values(), *(each for _, each in struck.cases if each.fault in MAY_LOSE))
        machines = [cases.machine[cases.during(start_us, stop_us)] for cases in losing]
        which = np.concatenate([self._gateways.waiting(cohort), *machines])
        if not len(which):
            return None
        apart = np.zeros(len(self.models[cohort].members), np.bool_)
        apart[which] = True
        return apart

    def passed(
        self,
        kinds: Sequence[tuple[int, KindColumns]],
        absent: Sequence[tuple[int, Absent]],
        start_us: int,
        stop_us: int,
    ) -> tuple[list[KindColumns], list[SilentScans], list[LostScans]]:
        """Send the scans of a block through the gateways; see Gateways.passed."""
        out = self._gateways.passed(kinds, absent, start_us, stop_us)
        lost = [LostScans(self._id(loss.case), *_in_order(loss.due_us, loss.readings)) for loss in out.losses]
        return out.kinds, out.silent, lost

    def injected(self, start_us: int, stop_us: int) -> tuple[Injection, ...]:
        """Give what wrong clients send beside the plan from *start_us* to *stop_us*."""
        return tuple(injections(self._scripted, self.models, self.struck, start_us, stop_us))

    @property
    def injection_rate(self) -> float:
        """How many records a second wrong clients send at most."""
        return injection_rate(self._scripted)

    def _id(self, key: CaseKey) -> str:
        return case_id(self._scripted, self.models[key[0]], self._cases[key[:2]], key[2])

    def worn(self, cohort: int, spans: Spans, start_us: int, stop_us: int) -> list[Label]:
        """Give the labels of what wear brings to the machines of a cohort within a block."""
        return self._worn[cohort].between(spans, start_us, stop_us)

    def labels(self, stop_us: int) -> list[Label]:
        """Give the labels of what was scripted and sets in or ends before *stop_us*."""
        return self._scripts.between(stop_us)

    def ended(self, labels: Sequence[Label], stop_us: int) -> tuple[Label, ...]:
        """Give the *labels* of faults that still go on as they are closed by a run that ends at *stop_us*."""
        failed: dict[str, int] = {}
        for worn in self._worn:
            failed |= worn.failures(stop_us)
        return tuple(
            self._scripts.ended(label, stop_us)
            if label.incident
            else replace(label, time_us=stop_us, stop_us=stop_us, failure_us=failed.get(label.id))
            for label in labels
        )

    # ---- what the plant has to do with it

    def _struck_by_plant(self, start_us: int) -> dict[CaseKey, Strike]:
        """Make the strikes: of faults and operators that stop a machine, and of all that waits for a state."""
        members = np.sort(np.concatenate([model.members for model in self.models] or [np.zeros(0, np.int64)]))
        found: dict[CaseKey, Strike] = {}
        ordered = [
            (int(cases.incident[case]), cohort, case, cases)
            for cohort, of in enumerate(self.struck)
            for _, cases in of.cases
            for case in range(len(cases.machine))
            if self._needs(cases, case)
        ]
        for incident, cohort, case, cases in sorted(ordered, key=itemgetter(0, 1, 2)):
            each, model = self._scripted[incident], self.models[cohort]
            place = int(np.searchsorted(members, model.members[cases.machine[case]]))
            waits = int(cases.onset_us[case]) == NEVER_US
            stops_us, state, repaired = _stop(each)
            root = _root(self._scripted, each) if waits else each
            found[cohort, cases.fault, case] = Strike(
                place=place,
                word=word_of(f"incident.{each.id}"),
                ordinal=int(cases.ordinal[case]),
                cause=STRUCK_BY.index(each.fault) if each.family == MACHINE else -1,
                begins_us=start_us + root.at_us if waits else int(cases.onset_us[case]),
                when=None if root.when is None else (int(np.searchsorted(members, root.when[0])), root.when[1]),
                later_us=_after_root_us(self._scripted, each) if waits else 0,
                stops_us=stops_us,
                state=state,
                repaired=repaired,
                lasts_us=each.lasts_us,
                mode=_mode(model, each.fault),
            )
        return found

    def _needs(self, cases: Cases, case: int) -> bool:
        each = self._scripted[int(cases.incident[case])]
        return int(cases.onset_us[case]) == NEVER_US or _stop(each)[0] < NEVER_US


def _marked(model: Model, of: Struck) -> Model:
    """Say of a cohort's machines that readings may be missing in their logs, or out of order, where they may."""
    loses = bool(of.transport) or any(cases.fault in MAY_LOSE for _, cases in of.cases)
    return replace(model, cohort=replace(model.cohort, gaps=True)) if loses else model


def _in_order(due_us: Ints, readings: Ints) -> tuple[Ints, Ints]:
    order = np.argsort(due_us, kind="stable")
    return due_us[order], readings[order]


def _root(scripted: Sequence[Scripted], each: Scripted) -> Scripted:
    """Give the incident that *each* follows in the end, itself where it follows none.

    Its onset is the same on all its machines, also where a share of them draws none: so those that follow it wait for
    what it waits for, and for no other machine.
    """
    return list(followed(scripted, each))[-1]


def _after_root_us(scripted: Sequence[Scripted], each: Scripted) -> int:
    """Say how long after the onset of the incident that it follows in the end *each* sets in."""
    return sum(one.at_us for one in followed(scripted, each) if one.after >= 0)


def _stop(each: Scripted) -> tuple[int, State, bool]:
    """Give how long after its onset an incident stops its machine, in which state, and whether it is repaired then."""
    stop = MACHINE_FAULTS[each.fault][2] if each.family == MACHINE else None
    stops_us, state, repaired = NEVER_US, State.HELD, True
    if stop is not None:
        state, repaired = stop.state, stop.repaired
        if stop.after == "onset":
            stops_us = round(stop.trips_s * SECOND_US)
        elif stop.after == "end" and each.lasts_us < ENDLESS_US:
            stops_us = each.lasts_us
        elif stop.after == "grown" and each.severity >= 1.0 and each.over_us < each.lasts_us:
            stops_us = each.over_us
    if each.noticed_us and each.noticed_us < min(stops_us, each.lasts_us):
        return each.noticed_us, State.HELD, True
    return stops_us, state, repaired


def _mode(model: Model, fault: str) -> int:
    """Give the failure mode that a repair of *fault* renews; -1: none."""
    modes = [mode.name for mode in model.rules.modes]
    damaged = [name.removeprefix(DAMAGE) for name in model.kind.faults.get(fault, {}).get("damage", ())]
    return modes.index(damaged[0]) if damaged and damaged[0] in modes else -1
