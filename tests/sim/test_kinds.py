"""What an engineer would look for in the readings of every kind that fleet ships, driven by the simulation."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fleet.data import SECOND_US, Block, Bools, Event, Floats, State
from fleet.scenario.kind import Kind, Level
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.sim.laws import LAW_INPUTS
from tests.sim.plants import Log, assert_same, blocks_of, events_of, line, logs_of, roster_of

MACHINES = 8
SETTLING_US = 15 * SECOND_US
KINDS = [name for name in shipped_kinds() if kind_named(name).sensors]
TEMPERATURES = ("degC",)


@cache
def kind(name: str) -> Kind:
    return kind_named(name, laws=LAW_INPUTS)


@cache
def shift(name: str) -> list[Block]:
    """Simulate two hours of a line of one kind; with others beside it if it follows them."""
    others = [{"kind": "cnc-spindle", "count": 4}] if kind(name).follows else []
    return blocks_of(roster_of(line("a", {"kind": name, "count": MACHINES}, *others)), 2 * 3600, truth=True)


@cache
def logs(name: str) -> dict[str, Log]:
    return {machine: log for machine, log in logs_of(shift(name)).items() if machine.startswith(f"a-{name}-")}


@cache
def events(name: str) -> dict[str, list[Event]]:
    return events_of(shift(name))


def at_work(log: Log, listed: list[Event]) -> Bools:
    """Say which readings a machine made while it executed, its drives settled."""
    edges = np.array([event.time_us for event in listed])
    place = np.searchsorted(edges, log.scan_us, side="right") - 1
    executes = np.array([event.state == State.EXECUTE.name.lower() for event in listed])
    return executes[place] & (log.scan_us - edges[place] > SETTLING_US)


def worked(name: str, sensor: str) -> list[Log]:
    """Give the readings of *sensor* of every machine while it executed."""
    found = []
    for machine, log in logs(name).items():
        of = log.of(sensor)
        here = at_work(of, events(name)[machine])
        assert of.truth is not None
        columns = (of.seq, of.tick, of.scan_us, of.event_us, of.sensor, of.value, of.quality, of.truth)
        found.append(Log(of.sensors, *(column[here] for column in columns)))
    return found


@pytest.mark.parametrize("name", KINDS)
def test_healthy_machines_at_work_read_what_their_kind_calls_normal(name: str) -> None:
    for sensor, model in kind(name).sensors.items():
        if model.normal is None:
            assert model.noise == 0, "only a counter has no normal range"
            continue
        value = np.concatenate([log.value for log in worked(name, sensor)])

        low, high = model.normal
        assert ((value >= low) & (value <= high)).mean() > 0.99, sensor
        assert not model.noise or kind(name).always_on or np.ptp(value) > 0.08 * (high - low), (
            f"{sensor}: the range is too wide to say anything"
        )


@pytest.mark.parametrize("name", KINDS)
def test_readings_are_whole_steps_and_have_no_more_digits_than_a_real_sensors(name: str) -> None:
    for sensor, model in kind(name).sensors.items():
        value = np.concatenate([log.of(sensor).value for log in logs(name).values()])

        steps = value / model.resolution
        assert np.abs(steps - np.rint(steps)).max() < 1e-6, sensor
        if model.normal is not None:
            assert np.abs(steps).max() < 1e6, f"{sensor}: at most six significant digits"
            assert len(np.unique(value)) > 8 or not model.noise, sensor


@pytest.mark.parametrize("name", KINDS)
def test_saturated_readings_are_rare(name: str) -> None:
    for machine, log in logs(name).items():
        assert (log.quality > 0).mean() < 0.003, machine


def test_every_kind_reads_the_same_wherever_blocks_are_cut_and_whoever_computes_it() -> None:
    shift = {"hours": ["05:00-06:05", "06:08-14:00"]}
    machines = [{"kind": name, "count": 2} for name in shipped_kinds()]
    roster = roster_of(line("a", *machines, buffer=4, shifts=shift), line("b", *machines))
    whole = blocks_of(roster, 900)

    cut = blocks_of(roster, 900, cuts_us=[1, 3_000_017, 60_000_000, 300_000_000, 300_000_001, 480_250_000, 777_777_777])
    shares = [blocks_of(roster, 900, islands=(share, 3)) for share in range(3)]

    assert_same(whole, cut)
    assert_same(whole, [block for blocks in shares for block in blocks])


STOPPING = [name for name in KINDS if kind(name).cycle and kind(name).micro_stop]


@pytest.mark.parametrize("name", STOPPING)
def test_a_drive_stays_between_its_levels_through_stops_and_restarts(name: str) -> None:
    drives = {each: drive for each, drive in kind(name).drives.items() if not drive.setpoint}
    seen = {"period": "2 s", "units": "1", "span": [-9, 9], "resolution": 0.001}
    watched = Kind.model_validate(
        {
            "kind": name,
            "micro_stop": {"every": "80 s", "lasts": "5 s", "sigma": 0.8},
            "signals": {each: {"law": "scaled", "of": each, "by": 1, "plus": 0} for each in drives},
            "sensors": {each: {"signal": each, **seen} for each in drives},
        }
    )
    others = {part: getattr(kind(name), part) for part in ("parameters", "cycle", "wear", "drives")}
    roster = roster_of(line("a", {"kind": name, "count": 4}), kinds={name: watched.model_copy(update=others)})
    blocks = blocks_of(roster, 2 * 3600, truth=True)

    assert sum(event.state == "held" for listed in events_of(blocks).values() for event in listed) > 100
    for each, drive in drives.items():
        heights = [level for state in drive.levels.values() for level in levels_of(state)]
        for log in logs_of(blocks).values():
            truth = log.of(each).truth
            assert truth is not None
            assert min(heights) - 1e-9 <= truth.min() <= truth.max() <= max(heights) + 1e-9, each


def levels_of(level: Level) -> list[float]:
    return [height for _, height in level] if isinstance(level, tuple) else [level]


VIBRATING = [name for name in KINDS if "vibration" in kind(name).sensors]


@pytest.mark.parametrize("name", VIBRATING)
def test_a_healthy_machine_shakes_in_zone_a_or_b(name: str) -> None:
    zones = kind(name).sensors["vibration"].zones
    assert zones is not None

    for log in worked(name, "vibration"):
        assert (log.value <= zones[1]).mean() >= 0.95


@pytest.mark.parametrize("name", VIBRATING)
def test_the_noise_of_a_vibration_is_between_half_a_percent_and_three_percent_of_it(name: str) -> None:
    for log in worked(name, "vibration"):
        assert log.truth is not None
        turning = log.truth > 0.5 * log.truth.max()
        level, scatter = log.truth[turning], (log.value - log.truth)[turning]
        scale = (level * scatter).mean() / (level * level).mean()  # the sensor's own gain is no noise
        assert 0.005 < (scatter - scale * level).std() / level.mean() < 0.03


@pytest.mark.parametrize("name", [name for name in KINDS if not kind(name).always_on])
def test_machines_of_a_kind_differ_in_level(name: str) -> None:
    spreads = []
    for sensor, model in kind(name).sensors.items():
        if model.normal is None or model.units in TEMPERATURES:
            continue
        levels = np.array([np.abs(log.value).mean() for log in worked(name, sensor)])
        spreads.append(levels.std(ddof=1) / levels.mean())
    assert max(spreads) > 0.03
    assert max(spreads) < 0.3


@pytest.mark.parametrize("name", KINDS)
def test_temperatures_move_least_from_reading_to_reading(name: str) -> None:
    def speed(sensor: str) -> float:
        """Give the share of the truth's range that goes by in ten seconds, its root mean square."""
        shares = []
        for log in worked(name, sensor):
            assert log.truth is not None
            step = max(1, round(10 / kind(name).sensors[sensor].period))
            shares.append(np.sqrt((np.diff(log.truth[::step]) ** 2).mean()) / max(np.ptp(log.truth), 1e-9))
        return float(np.median(shares))

    sensors = kind(name).sensors
    slow = [speed(each) for each in sensors if sensors[each].units == "degC" and each not in CONTROLLED]
    fast = [speed(each) for each in sensors if sensors[each].units in ("A", "kW", "mm/s", "bar", "l/min", "m/min")]
    if slow and fast and name not in STEADY:
        assert max(fast) > 10 * min(slow)


CONTROLLED = ("zone_1_temperature", "zone_2_temperature", "setpoint", "exhaust_temperature", "mould_temperature",
              "barrel_front_temperature", "barrel_middle_temperature", "barrel_rear_temperature")  # fmt: skip
STEADY = ("pump", "oven")


CYCLIC = [name for name in KINDS if kind(name).cycle is not None]


@pytest.mark.parametrize("name", CYCLIC)
def test_sensors_of_a_machine_go_together_some_closely_and_some_hardly(name: str) -> None:
    names = [each for each, model in kind(name).sensors.items() if model.period == 1 and model.normal is not None]
    log = next(iter(logs(name).values()))
    values = [log.of(each).value[600:3000] for each in names]
    moving = [value for value in values if value.std() > 0]

    likeness: Floats = np.abs(np.corrcoef(moving))[np.triu_indices(len(moving), 1)]

    assert likeness.max() > 0.6
    assert likeness.min() < 0.35
