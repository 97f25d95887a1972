"""Every damage to a log is found, called by its name, and shown where it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.layouts import READINGS_V2, SECOND_NAME
from fleet.encode.partition import partition_of
from fleet.verify.findings import Finding
from tests.contract.protoc import compiled
from tests.verify.logs import EVENTS, PARTITIONS, READINGS, START_US, Log, Past, Place, past, quickstart

PUMP = "filling-pump-002"
FORMATS = [("v2", "avro"), ("v2", "json"), ("v1", "avro"), ("v1", "json"), ("v3", "avro"), ("v3", "json"),
           ("v2", "protobuf"), ("v3", "protobuf")]  # fmt: skip


def rows_of(log: Log, machine: str) -> list[int]:
    return [i for i, record in enumerate(log) if record.key == machine.encode()]


def spot(run: Past, nth: int = 20) -> tuple[Place, Log, int]:
    """Find the nth record of the pump: its place, that log, and where in it."""
    place = run.place_of(PUMP)
    return place, run.logs[place], rows_of(run.logs[place], PUMP)[nth]


@pytest.mark.parametrize(("layout", "text"), FORMATS)
def test_an_untouched_run_is_proven(layout: str, text: str) -> None:
    verdict = past(layout=layout, text=text).verdict()

    assert verdict.proven, verdict.lines()
    assert (verdict.counts, verdict.findings, verdict.digests, verdict.exit_code) == ({}, [], "equal", 0)


@pytest.mark.parametrize(("layout", "text"), FORMATS)
def test_an_untouched_run_is_what_its_scenario_makes(layout: str, text: str) -> None:
    verdict = past(layout=layout, text=text).verdict(quickstart())

    assert (verdict.proven, verdict.scenario, verdict.notes) == (True, "equal", [])


def test_the_summary_says_what_was_proven_in_one_line_a_stream() -> None:
    run = past()

    lines = run.verdict(quickstart()).lines()

    readings = run.records[-1]["account"]["readings"]["acknowledged"]
    assert lines[1] == (
        f"{readings:,} readings of 10 machines in 3 partitions: in order, no gap, no duplicate, digests equal, "
        "equal to the scenario's"
    )
    assert lines[-1] == "proven"


def test_a_dropped_record_is_a_gap_and_a_loss() -> None:
    run = past()
    place, log, at = spot(run)
    del log[at]

    verdict = run.verdict()

    assert verdict.counts == {Finding.GAP: 1, Finding.LOST: 1}
    gap = next(line for line in verdict.findings if str(Finding.GAP) in line)
    assert gap.startswith(f"{READINGS}[{place[1]}]@")
    assert f"{PUMP}: seq 20 is missing before 21" in gap
    assert verdict.exit_code == 1


def test_the_last_record_of_a_log_that_is_dropped_is_a_loss() -> None:
    run = past()
    _, log, at = spot(run, -1)
    del log[at]

    assert run.verdict().counts == {Finding.LOST: 1, Finding.DIGEST: 1}


def test_a_doubled_record_is_a_duplicate() -> None:
    run = past()
    place, log, at = spot(run)
    log.insert(at + 1, log[at])

    verdict = run.verdict()

    assert verdict.counts == {Finding.DUPLICATE: 1}
    assert verdict.findings[0].startswith(f"{READINGS}[{place[1]}]@{log[at].offset}: {PUMP}: seq 20 again after 20")


def test_swapped_records_are_out_of_order_and_nothing_else() -> None:
    run = past()
    _, log, at = spot(run)
    later = rows_of(log, PUMP)[23]
    log[at], log[later] = log[later], log[at]

    verdict = run.verdict()

    assert verdict.counts == {Finding.ORDER: 3}
    assert f"{PUMP}: seq 21 after 23" in verdict.findings[0]


def test_a_record_in_a_wrong_partition_is_only_that() -> None:
    run = past()
    (topic, home), log, at = spot(run)
    other = (home + 1) % PARTITIONS[topic]
    run.logs.setdefault((topic, other), []).insert(0, log.pop(at))

    verdict = run.verdict()

    assert verdict.counts == {Finding.PARTITION: 1}
    assert f"{PUMP}: belongs in partition {home}" in verdict.findings[0]


@pytest.mark.parametrize("text", ["avro", "json"])
def test_a_value_that_is_no_record_is_undecodable_and_no_gap(text: str) -> None:
    run = past(text=text)
    _, log, at = spot(run)
    log[at] = log[at]._replace(value=b"\x07garbage")

    verdict = run.verdict()

    assert verdict.counts == {Finding.UNDECODABLE: 1}
    assert f"{PUMP}: neither framed Avro" in verdict.findings[0]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        None,
        b'{"machine":5,"sensor":"a","units":"b","value":1.0}',
        b'{"machine":"a","sensor":"a","units":"b","value":"much"}',
        b'{"machine":"a","sensor":"a","units":"b","value":1.0,"seq":1.5}',
        b'{"machine":"a","sensor":"a","units":"b","value":1.0,"seq":-1}',
        b'{"machine":"a","sensor":"a","units":"b","value":1.0,"seq":99999999999999999999}',
        b'{"machine":"a","sensor":"a","units":"b","value":1.0,"seq":1}',
        b'{"something":"else"}',
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_json_that_only_looks_like_a_reading_is_undecodable(value: bytes | None) -> None:
    run = past(text="json")
    _, log, at = spot(run)
    log[at] = log[at]._replace(value=value)

    assert run.verdict().counts == {Finding.UNDECODABLE: 1}


def test_a_key_that_is_not_the_machine_is_only_that() -> None:
    run = past()
    _, log, at = spot(run)
    log[at] = log[at]._replace(key=b"filling-pump-003")

    verdict = run.verdict()

    assert verdict.counts == {Finding.KEY: 1}
    assert f"{PUMP}: has the key 'filling-pump-003'" in verdict.findings[0]


@pytest.mark.parametrize(("layout", "text"), FORMATS)
def test_a_changed_value_is_seen_by_the_digest(layout: str, text: str) -> None:
    run = past(layout=layout, text=text)
    place, log, at = spot(run)
    value = log[at].value
    assert value is not None
    log[at] = log[at]._replace(value=OTHER_VALUES[text](value, layout))

    verdict = run.verdict()

    assert verdict.counts == {Finding.DIGEST: 1}
    assert verdict.findings[0].startswith(f"{place[0]}[{place[1]}]: ")


def _other_value(value: bytes, layout: str) -> bytes:
    """Flip the highest bit of a framed Avro reading's number, its sign."""
    head = 5
    for _ in range(3):
        head += 1 + (value[head] >> 1)
    sign = head + (3 if layout == "v1" else 7)
    return value[:sign] + bytes([value[sign] ^ 0x80]) + value[sign + 1 :]


def _other_value_of_protobuf(value: bytes, layout: str) -> bytes:
    """Give a framed Protobuf reading whose number has the other sign."""
    said = compiled(f"machine-sensor.{layout}.proto").FromString(value[6:])
    said.value = -said.value
    return value[:6] + bytes(said.SerializeToString())


OTHER_VALUES: dict[str, Callable[[bytes, str], bytes]] = {
    "avro": _other_value,
    "json": lambda value, _: value.replace(b'"value":', b'"value":1'),
    "protobuf": _other_value_of_protobuf,
}


def test_the_scenario_names_the_machine_whose_value_changed() -> None:
    run = past(layout="v1", text="json")
    _, log, at = spot(run)
    value = log[at].value
    assert value is not None
    log[at] = log[at]._replace(value=value.replace(b'"value":', b'"value":1'))

    verdict = run.verdict(quickstart())

    assert verdict.counts == {Finding.DIGEST: 1, Finding.SCENARIO: 1}
    assert any(line.startswith(f"{PUMP}: readings: as many records") for line in verdict.findings)


def test_a_stamp_that_runs_backwards_is_found() -> None:
    run = past()
    _, log, at = spot(run)
    log[at] = log[at]._replace(timestamp=log[at].timestamp - 60_000)

    assert run.verdict().counts == {Finding.STAMP: 1}


def test_a_changed_stamp_is_seen_by_the_digest() -> None:
    run = past()
    _, log, at = spot(run, -1)
    log[at] = log[at]._replace(timestamp=log[at].timestamp + 1)

    assert run.verdict().counts == {Finding.DIGEST: 1}


def test_a_machine_that_the_scenario_has_not_is_unknown() -> None:
    run = past(text="json")
    place, log, at = spot(run)
    value = log[at].value
    assert value is not None
    stranger = next(name for i in range(99) if partition_of((name := f"stranger-{i}").encode(), 3) == place[1])
    alien = value.replace(PUMP.encode(), stranger.encode()).replace(b'"seq":20', b'"seq":0')
    log.append(log[-1]._replace(key=stranger.encode(), value=alien))

    verdict = run.verdict(quickstart())

    assert verdict.counts == {Finding.UNKNOWN: 1, Finding.EXTRA: 1, Finding.SCENARIO: 1}


def test_an_event_among_the_readings_is_in_a_wrong_topic() -> None:
    run = past()
    _, log, _ = spot(run)
    log.append(next(log for (topic, _), log in run.logs.items() if topic == EVENTS and log)[0])

    assert run.verdict().counts == {Finding.STREAM: 1}


def test_events_are_checked_as_readings_are() -> None:
    run = past()
    place = next(place for place, log in run.logs.items() if place[0] == EVENTS and log)
    log = run.logs[place]
    log.append(log[0])

    assert run.verdict().counts == {Finding.DUPLICATE: 1}


def test_one_wild_number_is_one_finding_and_no_flood() -> None:
    run = past(text="json")
    _, log, at = spot(run)
    value = log[at].value
    assert value is not None
    log[at] = log[at]._replace(value=value.replace(b'"seq":20', b'"seq":12345678'))

    verdict = run.verdict()

    assert verdict.counts == {Finding.ORDER: 1}


def test_the_first_ten_findings_are_shown_and_all_are_counted() -> None:
    run = past()
    place = run.place_of(PUMP)
    run.logs[place] = [record for record in run.logs[place] for _ in range(2)]

    verdict = run.verdict()

    assert verdict.counts[Finding.DUPLICATE] == len(run.logs[place]) // 2
    assert len(verdict.findings) == 10


def test_what_the_broker_trimmed_is_no_finding_and_no_proof() -> None:
    run = past()
    place = run.place_of(PUMP)

    verdict = run.verdict(trimmed={place: 100})

    assert (verdict.counts, verdict.proven, verdict.exit_code) == ({}, False, 1)
    assert verdict.notes[0] == "100 records were trimmed by the broker before they were read: cannot be proven"


def test_a_gap_behind_what_was_trimmed_is_still_found() -> None:
    run = past()
    place, log, _ = spot(run)
    del log[rows_of(log, PUMP)[-5]]

    verdict = run.verdict(trimmed={place: 100})

    assert verdict.counts == {Finding.GAP: 1}


def test_a_skip_in_the_journal_explains_its_gaps_exactly() -> None:
    run = past(skips=[(START_US + 12_000_000, START_US + 15_000_000)])

    verdict = run.verdict(quickstart())

    assert verdict.proven, verdict.lines()
    assert any("withheld because the run was late" in note for note in verdict.notes)


def test_a_gap_beside_a_skip_is_found() -> None:
    run = past(skips=[(START_US + 12_000_000, START_US + 15_000_000)])
    _, log, at = spot(run)
    del log[at]

    assert run.verdict().counts == {Finding.GAP: 1, Finding.LOST: 1}


def test_a_changed_value_beside_a_gap_that_is_explained_is_found_whatever_else_is() -> None:
    run = past(skips=[(START_US + 12_000_000, START_US + 15_000_000)])
    (_, changed), log, at = spot(run)
    value = log[at].value
    assert value is not None
    log[at] = log[at]._replace(value=_other_value(value, "v2"))
    other = next(log for (topic, p), log in run.logs.items() if topic == READINGS and p != changed and log)
    other[-1] = other[-1]._replace(timestamp=other[-1].timestamp - 60_000)

    verdict = run.verdict()

    assert verdict.counts == {Finding.STAMP: 1, Finding.DIGEST: 1}
    assert any(line.startswith(f"{READINGS}[{changed}]: ") for line in verdict.findings)


def test_records_in_doubt_are_settled_one_by_one() -> None:
    run = past()
    _, log, at = spot(run)
    row = run.records[-1]["account"]["readings"]
    row["acknowledged"], row["in_doubt"] = row["acknowledged"] - 5, 5
    del log[at]

    verdict = run.verdict()

    assert (verdict.counts, verdict.digests) == ({}, "not compared")
    assert "readings: of 5 records in doubt 4 arrived and 1 did not" in verdict.notes


def test_records_of_another_run_are_known_by_their_header() -> None:
    run = past()
    _, log, at = spot(run)
    log.insert(at, log[at]._replace(headers=(("fleet-run", b"other"),)))

    assert run.verdict().proven


def test_a_run_without_an_end_is_said_to_be_open() -> None:
    run = past()
    run.records.pop()

    verdict = run.verdict()

    assert (verdict.counts, verdict.proven) == ({}, False)
    assert "did not say that it ended" in verdict.notes[0]


def test_another_scenario_is_said_to_be_another() -> None:
    verdict = past().verdict(quickstart("lines[0].machines[0].count=2"))

    assert any("not as it was when it ran" in note for note in verdict.notes)
    assert verdict.counts[Finding.SCENARIO] == 2  # the third pump's readings and its events


DAMAGES = ("drop", "double", "swap", "move", "garble", "key", "stamp", "late")


# numpy warns of some texts that are no instants before it takes them for one.
@pytest.mark.filterwarnings("ignore:no explicit representation of timezones")
@settings(max_examples=60, deadline=None)
@given(
    damage=st.sampled_from(DAMAGES),
    layout=st.sampled_from(FORMATS),
    place=st.integers(0, 2),
    at=st.floats(0, 1, exclude_max=True),
    to=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_any_single_damage_is_found(
    damage: str, layout: tuple[str, str], place: int, at: float, to: float, bit: int
) -> None:
    run = past(layout=layout[0], text=layout[1])
    log = run.logs[READINGS, place]
    i, j = int(at * len(log)), int(to * len(log))

    if not _damage(run, place, damage, i, j, bit):
        return

    assert run.verdict().counts, (damage, layout, place, i, j)


def _damage(run: Past, place: int, damage: str, i: int, j: int, bit: int) -> bool:
    """Do *damage* to record *i* of a partition; False where it changes nothing that counts."""
    log = run.logs[READINGS, place]
    record = log[i]
    value = record.value or b""
    match damage:
        case "drop":
            del log[i]
        case "double":
            log.insert(i, record)
        case "swap":
            log[i], log[j] = log[j], log[i]
            # Between machines the order is free.
            return log[i].key == log[j].key and i != j
        case "late":
            log.insert(j, log.pop(i))
            between = log[min(i, j) : max(i, j) + 1]
            return sum(other.key == record.key for other in between) > 1
        case "move":
            run.logs[READINGS, (place + 1) % 3].append(log.pop(i))
        case "garble":
            k = j % len(value)
            garbled = value[:k] + bytes([value[k] ^ (1 << bit)]) + value[k + 1 :]
            log[i] = record._replace(value=garbled)
            return not _says_the_same(value, garbled)
        case "key":
            log[i] = record._replace(key=(record.key or b"") + b"x")
        case "stamp":
            log[i] = record._replace(timestamp=record.timestamp + 1 + j)
    return True


def _says_the_same(value: bytes, garbled: bytes) -> bool:
    """Say whether it is the same reading, with another version's id before it or without its second name."""
    try:
        one, other = Decoder().decode(value), Decoder().decode(garbled)
    except UndecodableError:
        return False
    same = all(one.get(name) == other.get(name) for name in READINGS_V2.fields)
    return same and other.get(SECOND_NAME) in (None, one["machine"])
