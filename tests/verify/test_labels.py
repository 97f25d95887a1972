"""What labels name is expected exactly: one number too many or too few in any of their spans is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleet.broker.process import EmbeddedBroker
from fleet.data import Label, SeqSpan
from fleet.encode.decode import Decoder
from fleet.encode.labels import EFFECTS, Labels
from fleet.run.clock import RealClock
from fleet.run.execute import execute
from fleet.sinks.connection import Connection
from fleet.verify.along import ReadAlong
from fleet.verify.check import verify
from fleet.verify.findings import Finding
from fleet.verify.tail import TailOptions, tail
from fleet.verify.verdict import Verdict
from tests.run.handmade import Alter, Fault, done_by_hand
from tests.run.runs import assert_balanced, carried_out, planned, read_back, scenario
from tests.run.sinks import FakeClock, FakeSink, sinks
from tests.verify.logs import Past

SECOND_US = 1_000_000
ONE, TWO, OVEN = "filling-pump-001", "filling-pump-002", "hardening-oven-001"
FAULTS = (
    Fault(ONE, range(3, 6), lost=True),
    Fault(ONE, range(8, 12), until_us=14 * SECOND_US, every_us=600_000),
    Fault(TWO, range(4, 9, 2), copy_after_us=1_500_000),
    Fault(OVEN, range(14, 20), lost=True),  # to the end of its log
)
SPAN_US = 7 * SECOND_US


def unaltered(label: Label) -> Label:
    return label


def ran(faults: Sequence[Fault] = FAULTS, *, alter: Alter = unaltered, settings: tuple[str, ...] = ()) -> Past:
    clock = FakeClock()
    sink = FakeSink(clock)
    with sinks(sink) as urls:
        plan = planned(*urls, of=scenario("quickstart", *settings))
        with done_by_hand(plan, faults, span_us=SPAN_US, alter=alter):
            assert_balanced(carried_out(plan, clock))
    return read_back(sink.batches)


def changed(name: str, effect: str, change: Callable[[SeqSpan], SeqSpan]) -> Alter:
    """Change the last span of an *effect* in the closed label of a fault."""

    def alter(label: Label) -> Label:
        if label.id != name or label.is_open or not getattr(label, effect):
            return label
        *others, last = getattr(label, effect)
        return replace(label, **{effect: (*others, change(last))})

    return alter


def wider(span: SeqSpan) -> SeqSpan:
    return replace(span, count=span.count + 1)


def wider_in_front(span: SeqSpan) -> SeqSpan:
    return replace(span, first=span.first - 1, count=span.count + 1)


def narrower(span: SeqSpan) -> SeqSpan:
    return replace(span, count=span.count - 1)


def moved(span: SeqSpan) -> SeqSpan:
    return replace(span, first=span.first + 1)


def test_a_run_with_faults_is_proven_when_its_labels_say_what_they_did() -> None:
    verdict = ran().verdict()

    assert verdict.proven, verdict.lines()
    lines = verdict.lines()
    assert any(line.startswith("4 of 4 labels name readings:") for line in lines), lines
    assert any("that labels name" in line and "readings of" in line for line in lines)
    assert verdict.streams["labels"].records == 8


@pytest.mark.parametrize(
    ("name", "effect", "change", "found"),
    [
        ("f0", "lost", wider, {Finding.LABEL: 2}),  # the number is there, and the account knows of one less
        ("f0", "lost", wider_in_front, {Finding.LABEL: 2}),
        ("f0", "lost", narrower, {Finding.GAP: 1, Finding.LABEL: 1}),
        ("f0", "lost", moved, {Finding.GAP: 1, Finding.LABEL: 1}),
        ("f3", "lost", wider, {Finding.LABEL: 1}),  # behind the log's last record
        ("f3", "lost", narrower, {Finding.LABEL: 1}),
        ("f1", "late", wider, {Finding.LABEL: 1}),
        ("f1", "late", wider_in_front, {Finding.LABEL: 1}),
        ("f1", "late", narrower, {Finding.ORDER: 1}),
        ("f1", "late", moved, {Finding.ORDER: 1, Finding.LABEL: 1}),
        ("f2", "doubled", wider, {Finding.LABEL: 2}),
        ("f2", "doubled", narrower, {Finding.DUPLICATE: 1, Finding.LABEL: 1}),
        ("f2", "doubled", moved, {Finding.DUPLICATE: 1, Finding.LABEL: 1}),
    ],
)
def test_a_span_that_is_one_number_off_is_found(
    name: str, effect: str, change: Callable[[SeqSpan], SeqSpan], found: dict[Finding, int]
) -> None:
    verdict = ran(alter=changed(name, effect, change)).verdict()

    assert {Finding(kind): count for kind, count in verdict.counts.items()} == found | _lost(found)
    assert not verdict.proven


def _lost(found: dict[Finding, int]) -> dict[Finding, int]:
    """Add what follows of a duplicate: taken for no record of the run, it is missing among the acknowledged ones."""
    return {Finding.LOST: found[Finding.DUPLICATE]} if Finding.DUPLICATE in found else {}


@pytest.mark.parametrize("at", range(4))
def test_a_fault_without_a_label_is_found(at: int) -> None:
    def silent(label: Label) -> Label:
        return replace(label, **dict.fromkeys(EFFECTS, ())) if label.id == f"f{at}" else label

    assert ran(alter=silent).verdict().counts


def test_a_label_that_nobody_closed_or_that_is_not_whole_is_found() -> None:
    run = ran(alter=lambda label: replace(label, stop_us=None) if label.id == "f3" else label)

    verdict = run.verdict()

    assert Finding.LABEL in verdict.counts
    assert any("f3 was never closed" in line for line in verdict.findings)


def test_a_second_copy_that_is_not_there_is_missed() -> None:
    run = ran((FAULTS[2],))
    place = run.place_of(TWO)
    log = run.logs[place]
    copy = next(at for at, record in enumerate(log) if record in log[:at] or _again(log, at))
    del log[copy]

    counts = run.verdict().counts

    assert counts[Finding.LABEL] == 1
    assert counts[Finding.LOST] == 1


def _again(log: list, at: int) -> bool:  # type: ignore[type-arg]
    return any(record.value == log[at].value for record in log[:at])


def test_labels_and_report_policies_go_together() -> None:
    deadband = "lines[0].machines[0].set.flow={deadband: 0.5, heartbeat: 20 s}"

    verdict = ran(settings=(deadband,)).verdict()
    wide = ran(settings=(deadband,), alter=changed("f0", "lost", wider)).verdict()
    narrow = ran(settings=(deadband,), alter=changed("f0", "lost", narrower)).verdict()

    assert verdict.proven, verdict.lines()
    assert wide.counts == {Finding.LABEL: 1}  # more may be named than the account has: a policy withholds as well
    assert narrow.counts


FAULT = st.builds(
    lambda machine, first, length, step, kind: Fault(
        machine, range(first, first + length, step), **kind(first, length)
    ),
    st.sampled_from([ONE, TWO, OVEN]),
    st.integers(1, 15),
    st.integers(1, 8),
    st.integers(1, 3),
    st.sampled_from([
        lambda *_: {"lost": True},
        lambda *_: {"copy_after_us": 2_300_000},
        lambda first, length: {"until_us": (first + length + 2) * SECOND_US, "every_us": 400_000},
    ]),
)  # fmt: skip


@given(fault=FAULT, other=FAULT, change=st.sampled_from([wider, wider_in_front, narrower, moved]))
@hypothesis_settings(max_examples=6, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_any_fault_is_proven_by_its_label_and_by_no_other(
    fault: Fault, other: Fault, change: Callable[[SeqSpan], SeqSpan]
) -> None:
    faults = (fault,) if fault.machine == other.machine else (fault, other)

    run = ran(faults)

    verdict = run.verdict()
    assert verdict.proven, verdict.lines()
    for effect in effects_of(run, "f0"):
        if effect == "lost" and not fault.lost:
            continue  # still under way when the run ended: the account has them from this very label
        assert ran(faults, alter=changed("f0", effect, change)).verdict().counts, effect


def effects_of(run: Past, name: str) -> list[str]:
    """Give what the last label of a fault says that it did."""
    labels, decoder = Labels(run.run.id), Decoder()
    for (topic, _), log in run.logs.items():
        labels.extend(decoder.decode(record.value) for record in log if topic == "factory.labels")
    (fields,) = [fields for fields in labels.joined() if fields["id"] == name]
    return [effect for effect in EFFECTS if fields[effect]]


async def test_a_broker_gets_labels_which_prove_the_run_as_it_goes_and_afterwards() -> None:
    verdicts, lines = await _on_a_broker(unaltered)

    for verdict in verdicts:
        assert verdict.proven, verdict.lines()
        assert verdict.notes[0].startswith("4 of 4 labels name readings:")
    assert verdicts[0].streams == verdicts[1].streams
    assert len(lines) == 8
    assert any("outage" in line and ONE in line for line in lines)


async def test_a_broker_whose_labels_are_one_number_off_is_not_proven() -> None:
    verdicts, _ = await _on_a_broker(changed("f1", "late", narrower))

    assert [verdict.counts for verdict in verdicts] == [{Finding.ORDER: 1}] * 2


async def _on_a_broker(alter: Alter) -> tuple[list[Verdict], list[str]]:
    """Run with faults on an embedded broker; give what reading along and reading back find, and the labels as lines."""
    plan, along, lines = planned("embedded:"), ReadAlong(), []
    with EmbeddedBroker() as embedded, done_by_hand(plan, FAULTS, span_us=SPAN_US, alter=alter):
        result = await execute(plan, clock=RealClock(), broker=embedded, proof=along, watch=lambda _: None)
        assert_balanced(result)
        assert result.verdict is not None
        connection = Connection(embedded.bootstrap)
        again = await verify(connection)
        options = TailOptions(since="run", run=plan.run_id)
        await tail(connection, "factory.labels", options=options, write=lines.append)
    assert isinstance(result.verdict, Verdict)
    return [result.verdict, again], lines
