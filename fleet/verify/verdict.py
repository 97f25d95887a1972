"""The judgement on a run's logs: what was read, held against the account, the digests and the scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.data import INJECTED
from fleet.encode.digest import MachineDigest
from fleet.encode.labels import Labels
from fleet.verify.findings import FINDINGS_SHOWN, Finding, Findings
from fleet.verify.log import LogChecker
from fleet.verify.named import DOUBLED, LOST, Named
from fleet.verify.regenerate import Expected, differences, folded
from fleet.verify.resolved import Tally
from fleet.verify.runs import Run

DIGITS = "016x"
EQUAL, DIFFERENT, NOT_COMPARED = "equal", "different", "not compared"

Place = tuple[str, int]  # a topic and a partition


@dataclass(slots=True)
class StreamCount:
    """What was found of one stream."""

    records: int = 0
    machines: int = 0
    partitions: int = 0
    topics: int = 0
    left_out: int = 0  # numbers that are absent
    doubled: int = 0  # numbers that came twice, as labels say
    behind: int = 0  # numbers that stand behind a later one, as labels say
    numbered: bool = True  # whether the records say their number: then order, gaps and duplicates are seen


@dataclass(slots=True)
class Verdict:
    """What reading a run back has shown.

    *findings* are the first of what is wrong, each a line with its place; *counts* has all of them by type.
    *proven*: the run has ended, all of it was read, and nothing is wrong. Nothing wrong without a proof is
    possible, and *notes* say why: the run goes on, or the broker trimmed what was to be read. *readers* says what one
    version reads of it, where that was asked: what it cannot read is no flaw of the log, and yet not what was wanted.
    """

    run_id: str
    headline: str
    proven: bool
    findings: list[str]
    counts: dict[str, int]
    streams: dict[str, StreamCount]
    digests: str  # equal, different, or not compared
    scenario: str  # likewise
    notes: list[str] = field(default_factory=list)
    readers: Tally | None = None

    @property
    def exit_code(self) -> int:
        """Give 0 where the run is proven and everything could be read, else 1."""
        return 0 if self.proven and not self.unread else 1

    @property
    def unread(self) -> int:
        """How many records the version that was asked for cannot read."""
        return 0 if self.readers is None else self.readers.unread.total()

    def lines(self) -> list[str]:
        """Say it for people, the result last."""
        found = [self.headline]
        found += [
            self._stream_line(stream, count)
            for stream, count in self.streams.items()
            if count.records or stream != "labels"  # where nothing failed there is nothing to say
        ]
        found += self.notes
        found += [] if self.readers is None else self.readers.lines()
        total = sum(self.counts.values())
        if total:
            types = ", ".join(f"{number:,} {name}" for name, number in self.counts.items())
            found.append(f"{total:,} finding{'s' * (total != 1)}: {types}")
            found += [f"  {line}" for line in self.findings]
            if total > len(self.findings) >= FINDINGS_SHOWN:
                found.append("  and more")
        said = "proven" if self.proven else "NOT proven" if total else "nothing wrong was found, but not proven"
        found.append(f"{said}; {self.unread:,} records cannot be read by that version" if self.unread else said)
        return found

    def _stream_line(self, stream: str, count: StreamCount) -> str:
        gaps = f"no gap but {count.left_out:,} numbers that the account leaves out" if count.left_out else "no gap"
        order = "in order" + (f" but {count.behind:,} that labels name" if count.behind else "")
        twice = "no duplicate" + (f" but {count.doubled:,} that labels name" if count.doubled else "")
        said = [] if self.counts else ([order, gaps, twice] if count.numbered else ["all there"])
        if stream == "readings" or len(self.streams) == 1:
            said += [f"digests {self.digests}"] if self.digests != NOT_COMPARED else []
            said += [f"{self.scenario} to the scenario's"] if self.scenario != NOT_COMPARED else []
        machines = _counted(count.machines, "door" if stream == "doors" else "machine")
        topics = f" of {count.topics:,} topics" if count.topics > 1 else ""
        text = f"{count.records:,} {stream} of {machines} in {_counted(count.partitions, 'partition')}{topics}"
        return f"{text}: {', '.join(said)}" if said else text

    def as_json(self) -> dict[str, Any]:
        """Say it for machines."""
        return {
            "run": self.run_id,
            "proven": self.proven,
            "findings": {"counts": dict(self.counts), "first": list(self.findings)},
            "streams": {
                stream: {
                    "records": count.records,
                    "machines": count.machines,
                    "partitions": count.partitions,
                    "numbered": count.numbered,
                }
                for stream, count in self.streams.items()
            },
            "digests": self.digests,
            "scenario": self.scenario,
            "notes": list(self.notes),
            **({} if self.readers is None else {"readers": self.readers.as_json()}),
        }


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def judge(
    run: Run,
    checkers: Sequence[LogChecker],
    findings: Findings,
    *,
    labels: Labels | None = None,
    expected: Expected | None = None,
    digests: Mapping[Place, int] | None = None,
    unread: Sequence[str] = (),
) -> Verdict:
    """Finish the *checkers* that were fed with all topics of *run*, and compare. *findings* are theirs.

    *labels* are all that the run has: what they name is expected, exactly as they name it. *digests* are what the run
    says of each partition, where that can be compared. *unread* says in lines of what is missing from a proof, when
    not all of the run could be read.
    """
    judging = _Judging(run, checkers, findings, unread)
    judging.finish(labels)
    judging.settle()
    compared = judging.compare_partitions(digests or {})
    scenario = judging.compare_scenario(expected) if expected is not None else NOT_COMPARED
    return Verdict(
        run_id=run.id,
        headline=run.headline(),
        proven=judging.whole and not findings,
        findings=findings.lines,
        counts={str(finding): number for finding, number in findings.counts.items()},
        streams=judging.stream_counts(),
        digests=compared,
        scenario=scenario,
        notes=judging.notes,
    )


class _Judging:
    """What `judge` adds up."""

    def __init__(self, run: Run, checkers: Sequence[LogChecker], findings: Findings, unread: Sequence[str]) -> None:
        self.run, self.checkers, self.findings, self.notes = run, checkers, findings, list(unread)
        self.found: Counter[str] = Counter()
        for checker in checkers:
            for (stream, _), count in checker.found.items():
                self.found[stream] += count
        trimmed = sum(checker.trimmed_records.total() for checker in checkers)
        self.unnumbered = {stream for checker in checkers for stream in checker.unnumbered}
        self.whole = run.ended and not trimmed and not unread  # whether all of a finished run was read
        self.absent: Counter[str] = Counter()  # produced, and the account itself says they may not be there
        if trimmed:
            self.notes.append(
                f"{_counted(trimmed, 'record')} {'were' if trimmed != 1 else 'was'} trimmed by the broker "
                f"before {'they were' if trimmed != 1 else 'it was'} read: cannot be proven"
            )
        if not run.ended:
            self.notes.append(_unfinished(run))

    # ------------------------------------------------------------ labels

    def finish(self, labels: Labels | None) -> None:
        """Have the checkers hold what they saw against *labels*, and these against the account."""
        self.named = None if labels is None else Named(labels)
        whole = {stream for stream in self.run.account if self.is_exact(stream)}
        dense = {stream for stream in whole if not self.run.account[stream].get("by_policy", 0)}
        for checker in self.checkers:
            checker.finish(self.named, whole=whole, dense=dense)
        if labels is None or self.named is None or not self.whole:
            return
        for name in labels.open:
            self.findings.add(Finding.LABEL, f"labels: {name} was never closed")
        for name in labels.unfinished:
            self.findings.add(Finding.LABEL, f"labels: not all parts of {name} are there")
        self._settle_labels(labels, self.named)
        self._settle_injected(labels.injected)

    def is_exact(self, stream: str) -> bool:
        """Whether all of a *stream* was read and arrived, so that what labels name of it must be as they name it."""
        row = self.run.account.get(stream, {})
        late = row.get("withheld", 0) - row.get("by_policy", 0) - row.get("by_label", 0)
        return self.whole and not (row.get("failed", 0) or row.get("in_doubt", 0) or late)

    def _settle_labels(self, labels: Labels, named: Named) -> None:
        """Compare how many readings labels name with how many the account has: also behind a log's last record."""
        row = self.run.account.get("readings", {})
        if not self.is_exact("readings"):
            return
        pairs = (
            ("by_label", named.total(LOST), "lost"),
            ("injected", named.total(DOUBLED), "beside the plan"),
        )
        for column, said, what in pairs:
            booked = row.get(column, 0)
            # A number that a report policy withholds may be named lost as well: then nobody misses it.
            if said < booked or (said > booked and not (column == "by_label" and row.get("by_policy", 0))):
                text = f"readings: labels name {said:,} {what}, the account has {booked:,}"
                self.findings.add(Finding.LABEL, text, count=abs(said - booked))
        if named.used:
            outcomes = [checker.outcome for checker in self.checkers]
            kinds = [
                (sum(outcome.lost["readings"] for outcome in outcomes), "lost"),
                (sum(outcome.doubled["readings"] for outcome in outcomes), "doubled"),
                (sum(outcome.behind["readings"] for outcome in outcomes), "late or reordered"),
            ]
            said_of = ", ".join(f"{count:,} {what}" for count, what in kinds if count)
            self.notes.append(
                f"{named.used:,} of {_counted(named.labels, 'label')} name readings: {said_of or 'none of these'}"
            )

    def _settle_injected(self, named: Mapping[str, int]) -> None:
        """Hold what wrong clients sent against what labels have *named* and the account has: by label, exactly."""
        found: Counter[str] = sum((checker.injected for checker in self.checkers), Counter())
        for name, count in found.items():
            if count > named.get(name, 0):
                text = f"injected: {count:,} records are of {name}, which names {named.get(name, 0):,}"
                self.findings.add(Finding.EXTRA, text, count=count - named.get(name, 0))
        row = self.run.account.get(INJECTED)
        said, absent = sum(named.values()), sum(max(count - found[name], 0) for name, count in named.items())
        if row is not None:
            booked = row.get("injected", 0) + row.get("produced", 0)  # a replay has them as its own
            if booked != said:
                text = f"injected: labels name {said:,}, the account has {booked:,}"
                self.findings.add(Finding.LABEL, text, count=abs(said - booked))
            least = row.get("failed", 0)
            if not least <= absent <= least + row.get("in_doubt", 0):
                text = f"injected: of {said:,} that labels name {absent:,} are not there, and {least:,} were refused"
                self.findings.add(Finding.LABEL, text, count=abs(absent - least))
        if said:
            refused = f", and {absent:,} that were refused" * bool(absent)
            self.notes.append(f"{found.total():,} records of wrong clients are set aside, as labels name them{refused}")

    # ------------------------------------------------------------ the account

    def settle(self) -> None:
        """Hold what was found against the account, stream by stream; decide which gaps it explains."""
        account = self.run.account
        unnamed: Counter[str] = sum((checker.outcome.missing for checker in self.checkers), Counter())
        lost: Counter[str] = sum((checker.outcome.lost for checker in self.checkers), Counter())
        missing = unnamed + lost
        for stream in dict.fromkeys((*account, *self.found)):
            if stream == INJECTED:
                continue  # held against the labels
            row = account.get(stream, {})
            if self.whole:
                self._settle_stream(stream, row)
            else:
                self.absent[stream] = row.get("failed", 0) + row.get("in_doubt", 0)
            holes = row.get("holes", row.get("withheld", 0))  # the first is exact; earlier runs did not say it
            explained = holes + self.absent[stream]
            unexplained = missing[stream] - explained
            if row.get("withheld", 0) == row.get("by_label", 0):  # then what nothing names has no other excuse
                unexplained = max(unexplained, unnamed[stream] - self.absent[stream])
            if self.whole and stream not in self.unnumbered and missing[stream] < holes:
                text = f"{stream}: {missing[stream]:,} numbers are absent, the run left out {holes:,}"
                self.findings.add(Finding.EXTRA, text, count=holes - missing[stream])
            if unexplained > 0:
                outcomes = [checker.outcome for checker in self.checkers if checker.outcome.missing[stream]]
                lines = [line for outcome in outcomes for line in outcome.missing_lines]
                self.findings.extend(Finding.GAP, lines, count=unexplained)
                for checker in self.checkers:
                    checker.tainted |= checker.outcome.lacking.get(stream, set())
            elif explained:
                self._explain(stream, row, missing[stream])

    def _settle_stream(self, stream: str, row: Mapping[str, int]) -> None:
        duplicates = sum(checker.outcome.duplicates[stream] for checker in self.checkers)
        there = self.found[stream] - duplicates
        acknowledged, in_doubt = row.get("acknowledged", 0), row.get("in_doubt", 0)
        if there < acknowledged:
            text = f"{stream}: {acknowledged - there:,} of {acknowledged:,} acknowledged records are not there"
            self.findings.add(Finding.LOST, f"{text}", count=acknowledged - there)
        extra = there - acknowledged - in_doubt
        if extra > 0:
            text = f"{stream}: {extra:,} records more than were produced"
            self.findings.add(Finding.EXTRA, text, count=extra)
        arrived = min(max(there - acknowledged, 0), in_doubt)
        self.absent[stream] = row.get("failed", 0) + in_doubt - arrived
        if in_doubt:
            text = f"{stream}: of {in_doubt:,} records in doubt {arrived:,} arrived and {in_doubt - arrived:,} did not"
            self.notes.append(text)

    def _explain(self, stream: str, row: Mapping[str, int], missing: int) -> None:
        withheld, failed = row.get("withheld", 0), row.get("failed", 0)
        by_policy, by_label = row.get("by_policy", 0), row.get("by_label", 0)
        late = withheld - by_policy - by_label
        causes = [f"{by_policy:,} withheld by report policy"] * bool(by_policy)
        causes += [f"{by_label:,} lost by faults"] * bool(by_label)
        causes += [f"{late:,} withheld because the run was late"] * (late > 0)
        causes += [f"{failed:,} that failed"] * bool(failed)
        causes += [f"{self.absent[stream] - failed:,} in doubt"] * (self.absent[stream] > failed)
        self.notes.append(f"{stream}: {missing:,} numbers are absent; the account has {', '.join(causes)}")

    # ------------------------------------------------------------ digests

    def compare_partitions(self, digests: Mapping[Place, int]) -> str:
        """Compare each partition's digest with the one the run gave."""
        if not self.whole or self.absent.total() or not digests:
            return NOT_COMPARED  # the run's digests are of all that was produced
        read = folded(self._read())
        tainted = {(checker.topic, p) for checker in self.checkers for p in checker.tainted}
        differing = [place for place, digest in digests.items() if read.get(place, 0) != digest]
        for topic, p in differing:
            if (topic, p) not in tainted:  # elsewhere that is a consequence, not news
                have, want = read.get((topic, p), 0), digests[topic, p]
                text = f"{topic}[{p}]: {have:{DIGITS}}, the run wrote {want:{DIGITS}}"
                self.findings.add(Finding.DIGEST, text)
        return DIFFERENT if differing else EQUAL

    def compare_scenario(self, expected: Expected) -> str:
        """Compare every machine's log with what the scenario makes."""
        if not expected.same_scenario:
            self.notes.append(
                "the scenario is not as it was when it ran: its expanded form has another digest; "
                "give every --set that the run had"
            )
        if not self.whole or self.absent.total():
            self.notes.append("not compared with the scenario, which has also what the log is known to lack")
            return NOT_COMPARED
        differing = differences(expected.digests, self._read())
        for line in differing:
            self.findings.add(Finding.SCENARIO, line)
        return DIFFERENT if differing else EQUAL

    def _read(self) -> dict[str, dict[str, MachineDigest]]:
        """Put together what all checkers read, by stream and machine."""
        found: dict[str, dict[str, MachineDigest]] = {}
        for checker in self.checkers:
            for stream, machines in checker.digests.items():
                found.setdefault(stream, {}).update(machines)
        return found

    # ------------------------------------------------------------ the summary

    def stream_counts(self) -> dict[str, StreamCount]:
        """Count what was found, by stream."""
        counts: dict[str, StreamCount] = {}
        for checker in self.checkers:
            for stream, machines in checker.digests.items():
                row = counts.setdefault(stream, StreamCount())
                row.records += sum(count for (name, _), count in checker.found.items() if name == stream)
                row.machines += len(machines)
                row.partitions += checker.partitions
                row.topics += 1
                row.left_out += checker.outcome.missing[stream] + checker.outcome.lost[stream]
                row.doubled += checker.outcome.doubled[stream]
                row.behind += checker.outcome.behind[stream]
                row.numbered &= stream not in checker.unnumbered
        return dict(sorted(counts.items(), key=lambda item: item[0] == "labels"))  # read first, said last


def _unfinished(run: Run) -> str:
    silent = run.missing_shards
    if silent:
        return f"{_counted(silent, 'shard')} of the run did not say that it started: cannot be proven"
    open_shards = sum(shard.ended is None for shard in run.shards.values())
    whole = "the run" if len(run.shards) == 1 else f"{open_shards} of {len(run.shards)} shards"
    return f"{whole} did not say that it ended: read to the present end, cannot be proven"
