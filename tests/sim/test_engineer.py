"""The laws that a clean fleet obeys, on twenty seeds in a row of which at least seventeen must be inside."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from fleet.data import SECOND_US, Block, Bools, Floats, State
from fleet.scenario.kind import Kind, Signal
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.scenario.roster import Roster
from fleet.sim.cohorts import Model, models
from fleet.sim.laws import LAW_INPUTS
from tests.sim.plants import START_US, Log, blocks_of, events_of, line, logs_of, roster_of

SEEDS = range(1, 21)
INSIDE = 17
FLAT = {"name": "flat", "daily": "0 K", "season": "0 K"}


def holds_on_most_seeds(law: Callable[[int], bool]) -> bool:
    return sum(bool(law(seed)) for seed in SEEDS) >= INSIDE


def plain(name: str, *sensors: str) -> Kind:
    """Give a shipped kind that nothing disturbs: no micro-stops, no wear, no new setpoints; only *sensors*, if any."""
    kind = kind_named(name, laws=LAW_INPUTS)
    return kind.model_copy(
        update={
            "micro_stop": None,
            "setpoint": None,
            "wear": {},
            "drives": {key: drive.model_copy(update={"setpoint": False}) for key, drive in kind.drives.items()},
            "signals": {key: _unworn(signal) for key, signal in kind.signals.items()},
            "sensors": {key: sensor for key, sensor in kind.sensors.items() if key in sensors or not sensors},
        }
    )


def _unworn(signal: Signal) -> Signal:
    worn = {key: 0.0 for key, value in signal.inputs.items() if str(value).startswith("damage.")}
    return signal.model_copy(update=worn) if worn else signal


def truth(log: Log, sensor: str) -> Floats:
    of = log.of(sensor)
    assert of.truth is not None
    return of.truth


def executes(blocks: list[Block], machine: str, log: Log) -> Floats:
    """Give 1 where a machine executes at the instants of *log*, else 0."""
    events = events_of(blocks)[machine]
    edges = np.array([event.time_us for event in events])
    running = np.array([event.state == State.EXECUTE.name.lower() for event in events], float)
    return running[np.searchsorted(edges, log.scan_us, side="right") - 1]


# ---- cycles

BEATS = {  # a sensor that passes this share of its greatest value when a cycle begins, and how often it is read
    "cnc-spindle": ("spindle_speed", 0.05, 2),
    "oven": ("door_position", 0.5, 2),
    "conveyor": ("current", 0.75, 10),
    "hydraulic-press": ("ram_position", 0.5, 20),
    "injection-moulder": ("clamp_force", 0.5, 20),
    "robot-arm": ("tool_load", 0.5, 20),
}


def test_every_kind_with_a_cycle_is_looked_at() -> None:
    assert set(BEATS) == {name for name in shipped_kinds() if kind_named(name).cycle is not None}


@pytest.mark.parametrize("name", BEATS)
def test_cycles_have_the_set_period_and_scatter_by_one_to_five_percent(name: str) -> None:
    sensor, share, rate = BEATS[name]
    set_s = kind_named(name).parameters["cycle_time"].value.value
    kind = plain(name, sensor)
    machine = {"kind": name, "rate": f"{rate}/s", "set": {"cycle_time": {"spread": "0 %"}}}
    roster = roster_of(line("a", machine), kinds={name: kind})

    def law(seed: int) -> bool:
        (log,) = logs_of(blocks_of(roster, 60 * set_s, seed=seed, truth=True)).values()
        above = truth(log, sensor) > share * truth(log, sensor).max()
        spans = np.diff(_beginnings(log.of(sensor).time_s, above, rest_s=0.1 * set_s))
        return abs(spans.mean() / set_s - 1) < 0.05 and 0.01 < spans.std() / spans.mean() < 0.05

    assert holds_on_most_seeds(law)


def _beginnings(time_s: Floats, above: Bools, *, rest_s: float) -> Floats:
    """Give when a signal rises after it was down for *rest_s*: a change of tools does not begin a cycle."""
    turns = np.flatnonzero(np.diff(above.astype(int))) + 1
    up = turns[above[turns]]
    down = [turns[turns < each][-1:] for each in up]
    rested = [len(fell) > 0 and time_s[rose] - time_s[fell[0]] > rest_s for rose, fell in zip(up, down, strict=True)]
    return time_s[up[np.array(rested)]]


# ---- heat


@pytest.mark.parametrize(
    ("name", "sensor", "node"),
    [
        ("pump", "motor_temperature", "motor_warmth"),
        ("robot-arm", "joint_2_temperature", "warmth_2"),
        ("compressor", "oil_temperature", "oil_warmth"),
        ("hydraulic-press", "oil_temperature", "oil_warmth"),
    ],
)
def test_a_temperature_has_done_63_percent_after_its_time_constant_and_cools_more_slowly(
    name: str, sensor: str, node: str
) -> None:
    kind = plain(name, sensor)
    tau, at_rest = kind.nodes[node].tau, kind.nodes[node].tau_at_rest
    on = {"hours": ["06:00:20-16:00:20"]}
    machines = [{"kind": name}, {"kind": "hall-climate"}]
    roster = roster_of(line("a", *machines, shifts=on, hall="flat"), kinds={name: kind}, halls=[FLAT])

    def law(seed: int) -> bool:
        log, hall = logs_of(blocks_of(roster, 24 * 3600, seed=seed, truth=True)).values()
        time = log.of(sensor).time_s
        warmth = truth(log, sensor) - np.interp(time, *felt_by(hall, tau))
        start, stop = 20.0, 20.0 + 10 * 3600
        up = _time_to_63(time, warmth, start, stop)
        down = _time_to_63(time, warmth, stop, 24 * 3600)
        return abs(up / tau - 1) < 0.1 and abs(down / at_rest - 1) < 0.1 and down > 1.05 * up

    assert holds_on_most_seeds(law)


def felt_by(hall: Log, tau_s: float) -> tuple[Floats, Floats]:
    """Give what follows the air that a climate station reads with the time constant *tau_s*: times, and degC."""
    time, air = hall.of("temperature").time_s, truth(hall, "temperature")
    fade = np.exp(-np.diff(time) / tau_s)
    value = air.copy()
    for place, left in enumerate(fade.tolist()):
        value[place + 1] = left * value[place] + (1 - left) * 0.5 * (air[place] + air[place + 1])
    return time, value


def _time_to_63(time: Floats, value: Floats, start: float, stop: float) -> float:
    here = (time > start) & (time < stop)
    done = np.abs(value[here] - value[here][0]) > (1 - np.exp(-1)) * abs(value[here][-1] - value[here][0])
    return float(time[here][np.argmax(done)] - start)


def test_a_motors_temperature_follows_its_current_by_a_part_of_the_time_constant() -> None:
    kind = kind_named("pump", laws=LAW_INPUTS)
    sensors = {key: kind.sensors[key] for key in ("current", "motor_temperature")}
    kind = kind.model_copy(update={"wear": {}, "sensors": sensors})
    machine = {"kind": "pump", "rate": "0.1/s", "set": {}}
    roster = roster_of(line("a", machine, hall="flat"), kinds={"pump": kind}, halls=[FLAT])
    minutes = np.arange(10, 48 * 60 - 10, 1.0)

    def law(seed: int) -> bool:
        (log,) = logs_of(blocks_of(roster, 48 * 3600, seed=seed, truth=True)).values()
        current, warmth = (
            np.interp(minutes * 60, log.of(sensor).time_s, truth(log, sensor))
            for sensor in ("current", "motor_temperature")
        )
        likeness = [float(np.corrcoef(current[: -lag or None], warmth[lag:])[0, 1]) for lag in range(90)]
        return 0.3 * 40 <= int(np.argmax(likeness)) <= 40

    assert holds_on_most_seeds(law)


# ---- vibration


@pytest.mark.parametrize("name", ["conveyor", "hydraulic-press", "pump", "compressor", "cnc-spindle"])
def test_healthy_machines_shake_in_zone_a_or_b_nearly_always(name: str) -> None:
    kind = kind_named(name, laws=LAW_INPUTS)
    zones = kind.sensors["vibration"].zones
    assert zones is not None
    kind = kind.model_copy(update={"sensors": {"vibration": kind.sensors["vibration"]}})
    roster = roster_of(line("a", {"kind": name, "count": 10}), kinds={name: kind})

    def law(seed: int) -> bool:
        blocks = blocks_of(roster, 900, seed=seed)
        inside = [
            (log.value <= zones[1])[executes(blocks, machine, log) > 0].mean()
            for machine, log in logs_of(blocks).items()
        ]
        return float(np.mean(inside)) >= 0.95

    assert holds_on_most_seeds(law)


def test_a_belt_shakes_more_near_the_speed_at_which_its_frame_resonates() -> None:
    def level(speed: str) -> float:
        kind = plain("conveyor", "vibration")
        machine = {"kind": "conveyor", "set": {"resonant_speed": {"value": speed, "spread": "0 %"}}}
        (log,) = logs_of(blocks_of(roster_of(line("a", machine), kinds={"conveyor": kind}), 600, truth=True)).values()
        return float(truth(log, "vibration").mean())

    assert level("1.05") > 2.5 * level("3")
    assert level("1.45") < 2 * level("3")


# ---- couplings


@pytest.mark.parametrize(
    ("name", "hours", "close", "hardly"),
    [
        ("pump", 8, ("current", "flow"), ("current", "discharge_pressure")),
        ("cnc-spindle", 1, ("spindle_current", "power"), ("spindle_current", "coolant_pressure")),
        ("hydraulic-press", 1, ("pressure", "motor_power"), ("flow", "motor_power")),
        ("injection-moulder", 1, ("injection_pressure", "power"), ("injection_pressure", "cushion")),
        ("robot-arm", 1, ("joint_2_current", "joint_3_current"), ("joint_1_current", "tool_load")),
        ("compressor", 1, ("motor_current", "power"), ("discharge_pressure", "motor_current")),
        ("oven", 1, ("zone_1_temperature", "zone_2_temperature"), ("door_position", "zone_1_temperature")),
    ],
)
def test_some_pairs_of_sensors_go_closely_together_and_some_hardly(
    name: str, hours: int, close: tuple[str, str], hardly: tuple[str, str]
) -> None:
    """*close* over *hours* in which things happen, *hardly* over twenty minutes in which nothing does."""
    others = [{"kind": "pump", "count": 4}] if kind_named(name).follows else []
    lively = roster_of(line("a", {"kind": name}, *others))
    steady = roster_of(line("a", {"kind": name}, *others), kinds={name: plain(name, *hardly)})

    def likeness(roster: Roster, seconds: int, pair: tuple[str, str], seed: int) -> float:
        log = logs_of(blocks_of(roster, seconds, seed=seed))[f"a-{name}-001"]
        return abs(float(np.corrcoef(*(log.of(sensor).value[60:] for sensor in pair))[0, 1]))

    def law(seed: int) -> bool:
        return likeness(lively, hours * 3600, close, seed) > 0.6 and likeness(steady, 1260, hardly, seed) < 0.4

    assert holds_on_most_seeds(law)


# ---- machines of a kind


@pytest.mark.parametrize(
    ("name", "sensor"),
    [
        ("conveyor", "current"),
        ("hydraulic-press", "pressure"),
        ("injection-moulder", "injection_pressure"),
        ("robot-arm", "joint_2_current"),
        ("compressor", "motor_current"),
        ("compressor", "vibration"),
        ("oven", "heater_power"),
        ("cnc-spindle", "spindle_current"),
        ("pump", "current"),
    ],
)
def test_two_machines_of_a_kind_differ_by_five_to_fifteen_percent(name: str, sensor: str) -> None:
    kind = plain(name, sensor)
    roster = roster_of(line("a", {"kind": name, "count": 60}), kinds={name: kind})

    def law(seed: int) -> bool:
        levels = np.array([log.value.mean() for log in logs_of(blocks_of(roster, 360, seed=seed)).values()])
        return bool(0.035 < levels.std(ddof=1) / levels.mean() < 0.15)

    assert holds_on_most_seeds(law)


def streams(model: Model) -> list[Floats]:
    found = [model.controllers.jitter_stream]
    if model.cycle is not None:
        found += [model.cycle.stream, model.cycle.part_stream]
    for group in model.groups:
        found += [group.chain.white_streams, *group.chain.flicker_streams]
    return [each.ravel() for each in found]


def test_no_two_machines_and_no_two_sensors_share_a_stream_of_random_numbers() -> None:
    every = [{"kind": name, "count": 30} for name in shipped_kinds() if kind_named(name).sensors]
    roster = roster_of(line("a", *every))

    built = models(roster, seed=1, start_us=START_US, keep=np.arange(len(roster.machines)))

    words = np.concatenate([stream for model in built for stream in streams(model)])
    assert len(words) > 10_000
    assert len(np.unique(words)) == len(words)


# ---- the day


def _explained_by_the_hour(time_s: Floats, value: Floats) -> float:
    """Give the share of the variance that the hour of the day explains, a mean of 25 h removed."""
    hours = np.arange(time_s[0], time_s[-1], 900.0)
    level = np.interp(hours, time_s, value)
    smooth = np.convolve(level, np.full(101, 1 / 101), mode="valid")
    rest, of_day = level[50:-50] - smooth, (hours[50:-50] % 86_400) // 900
    mean = np.array([rest[of_day == each].mean() for each in range(96)])
    return float(1 - ((rest - mean[of_day.astype(int)]) ** 2).mean() / rest.var())


def test_a_halls_air_shows_the_day() -> None:
    roster = roster_of(line("a", {"kind": "hall-climate", "rate": "0.01/s"}))

    def law(seed: int) -> bool:
        (log,) = logs_of(blocks_of(roster, 14 * 86_400, seed=seed)).values()
        of = log.of("temperature")
        return _explained_by_the_hour(of.time_s, of.value) >= 0.25

    assert holds_on_most_seeds(law)


def test_the_power_of_a_plant_shows_its_shifts_and_its_weekends() -> None:
    shifts = {"hours": ["06:00-14:00", "14:00-22:00"], "days": ["mon", "tue", "wed", "thu", "fri"]}
    machines = [{"kind": "pump", "count": 3, "rate": "0.002/s"}, {"kind": "energy-meter", "rate": "0.01/s"}]
    roster = roster_of(line("a", *machines, shifts=shifts))

    def law(seed: int) -> bool:
        log = logs_of(blocks_of(roster, 21 * 86_400, seed=seed))["a-energy-meter-001"]
        of = log.of("active_power")
        weekend = (of.time_s // 86_400).astype(int) % 7 >= 5
        return 0.25 <= _explained_by_the_hour(of.time_s, of.value) <= 0.75 and (
            of.value[weekend].mean() < 0.3 * of.value[~weekend].mean()
        )

    assert holds_on_most_seeds(law)


def test_the_climate_station_feels_the_air_that_the_machines_of_its_hall_do() -> None:
    off = {"hours": ["20:00-21:00"]}
    roster = roster_of(
        line("a", {"kind": "pump"}, {"kind": "hall-climate"}, hall="north", shifts=off),
        line("b", {"kind": "pump"}, {"kind": "hall-climate"}, hall="south", shifts=off),
    )

    logs = logs_of(blocks_of(roster, 10 * 3600, truth=True))

    halls = []
    for name in ("a", "b"):
        pump, station = logs[f"{name}-pump-001"], logs[f"{name}-hall-climate-001"]
        for sensor, node in (("motor_temperature", "motor_warmth"), ("bearing_temperature", "bearing_warmth")):
            time, air = felt_by(station, kind_named("pump").nodes[node].tau)
            late = np.arange(7 * 3600, 36_000, 60.0)  # what it was before the run is forgotten by then
            seen = np.interp(late, pump.of(sensor).time_s, truth(pump, sensor))
            assert np.abs(seen - np.interp(late, time, air)).max() < 0.01, sensor
        halls.append(np.interp(late, station.of("temperature").time_s, truth(station, "temperature")))
    assert np.abs(halls[0] - halls[1]).max() > 0.2


def test_what_is_slow_feels_the_air_later_and_less() -> None:
    off = {"hours": ["20:00-21:00"]}
    roster = roster_of(line("a", {"kind": "robot-arm"}, shifts=off, hall="flat"), halls=[FLAT])

    (log,) = logs_of(blocks_of(roster, 14 * 3600, truth=True)).values()

    slow, quick = (np.diff(truth(log, f"joint_{joint}_temperature")) for joint in (2, 6))
    by_shift = [float((slow[late:] * quick[: len(quick) - late]).mean()) for late in range(0, 300, 10)]
    assert by_shift[0] > 0
    assert int(np.argmax(by_shift)) > 0, "they do not show the same in the same minute"
    assert slow.std() < 0.85 * quick.std()


def test_humidity_falls_while_the_hall_warms_up() -> None:
    roster = roster_of(line("a", {"kind": "hall-climate", "rate": "0.1/s"}))

    def law(seed: int) -> bool:
        (log,) = logs_of(blocks_of(roster, 86_400, seed=seed, truth=True)).values()
        return bool(np.corrcoef(truth(log, "temperature"), truth(log, "humidity"))[0, 1] < -0.5)

    assert holds_on_most_seeds(law)


# ---- starting, waiting, counting


def test_a_belt_that_waits_draws_the_current_of_an_idle_motor() -> None:
    slow = {"kind": "cnc-spindle", "set": {"cycle_time": "5 min"}}
    roster = roster_of(line("a", slow, {"kind": "conveyor"}, buffer=4))
    blocks = blocks_of(roster, 3 * 3600)
    log = logs_of(blocks)["a-conveyor-001"].of("current")
    starved = [event for event in events_of(blocks)["a-conveyor-001"] if event.cause == "starved"]

    assert len(starved) > 5
    running = executes(blocks, "a-conveyor-001", log) > 0
    for event in starved[:-1]:
        here = (
            (log.scan_us > event.time_us + 15 * SECOND_US) & (log.scan_us < event.time_us + 60 * SECOND_US) & ~running
        )
        assert 0.3 < log.value[here].mean() / log.value[running].mean() < 0.6


def test_a_motor_draws_more_for_a_second_when_it_starts() -> None:
    on = {"hours": ["06:00:20-14:00"]}
    kind = plain("conveyor")
    roster = roster_of(line("a", {"kind": "conveyor", "rate": "20/s"}, shifts=on), kinds={"conveyor": kind})

    (log,) = logs_of(blocks_of(roster, 120, truth=True)).values()

    current, time = truth(log, "current"), log.of("current").time_s
    first, settled = current[(time > 20) & (time < 21)], current[time > 30]
    assert current[time < 19.9].max() < 0.1
    assert first.max() > 1.2 * settled.max()
    assert current[(time > 26) & (time < 28)].max() < 1.05 * settled.max()


def test_shots_count_the_parts_and_each_has_its_own_cushion() -> None:
    roster = roster_of(line("a", {"kind": "injection-moulder"}))
    blocks = blocks_of(roster, 2 * 3600, truth=True)
    (log,) = logs_of(blocks).values()
    shots, cushion = log.of("shots"), log.of("cushion")

    assert (np.diff(shots.value) >= 0).all()
    for event in events_of(blocks)["a-injection-moulder-001"]:
        later = shots.value[shots.scan_us >= event.time_us]
        assert abs(later[0] - event.parts) <= 1
    jumps = np.abs(np.diff(truth(log, "cushion"))) > 0.001
    assert 0.9 < jumps.sum() / shots.value[-1] < 1.1
    assert 0.005 < truth(log, "cushion").std() / truth(log, "cushion").mean() < 0.05
    assert len(cushion.value) == 7200


def test_the_last_cycles_time_is_what_lay_between_two_shots() -> None:
    roster = roster_of(
        line("a", {"kind": "injection-moulder"}), kinds={"injection-moulder": plain("injection-moulder")}
    )
    (log,) = logs_of(blocks_of(roster, 3600, truth=True)).values()
    said, cushion = truth(log, "cycle_time"), truth(log, "cushion")

    begins = log.of("cushion").time_s[1:][np.abs(np.diff(cushion)) > 1e-4]
    for (before, begun), after in zip(pairwise(begins), begins[2:], strict=False):
        now = said[(log.of("cycle_time").time_s > begun + 1) & (log.of("cycle_time").time_s < after - 1)]
        if after - before < 2.2 * said.mean():  # two shots of the same cushion look like one
            assert now.mean() == pytest.approx(begun - before, abs=2.1)


# ---- what would give a simulation away


def steady(values: Floats, seconds: int) -> Floats:
    """Take the mean of *seconds* around each reading away."""
    return np.asarray(values - np.convolve(values, np.ones(seconds) / seconds, "same"))[seconds:-seconds]


def test_the_zones_of_an_oven_have_controllers_of_their_own() -> None:
    roster = roster_of(line("a", {"kind": "oven", "count": 3}))

    for log in logs_of(blocks_of(roster, 3 * 3600, truth=True)).values():
        first, second = (steady(truth(log, f"zone_{zone}_temperature"), 300) for zone in (1, 2))
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.9, "they share a door and nothing else"
        first, second = (truth(log, f"zone_{zone}_temperature") for zone in (1, 2))
        for zone in (first, second):
            assert np.abs(np.diff(zone)).max() < 0.5, "K/s"


def test_the_setpoint_of_an_oven_that_is_off_or_has_failed_is_a_standby_value() -> None:
    oven = kind_named("oven", laws=LAW_INPUTS)
    wear = {"element": oven.wear["element"].model_copy(update={"life": 2 * 3600.0})}
    roster = roster_of(
        line("a", {"kind": "oven"}, shifts={"hours": ["06:00-12:00"]}),
        line("b", {"kind": "oven"}),
        kinds={"oven": oven.model_copy(update={"wear": wear})},
    )

    blocks = blocks_of(roster, 12 * 3600)

    assert any(event.state == "aborted" for event in events_of(blocks)["b-oven-001"])
    for log in logs_of(blocks).values():
        assert set(log.of("setpoint").value.tolist()) == {201.0, 420.0}


@pytest.mark.parametrize("hours", ["05:00-15:00", "20:00-21:00"])  # at work, and by night
def test_what_a_meter_measures_is_never_quite_still_and_has_no_period(hours: str) -> None:
    machines = [
        {"kind": "conveyor", "count": 6, "set": {"micro_stop": {"every": "90 d"}, "setpoint": {"every": "90 d"}}}
    ]
    roster = roster_of(line("a", *machines, {"kind": "energy-meter"}, shifts={"hours": [hours]}))

    log = logs_of(blocks_of(roster, 3 * 3600, truth=True))["a-energy-meter-001"]

    power = steady(truth(log, "active_power"), 600)
    assert 0.003 < power.std() / truth(log, "active_power").mean() < 0.06
    spectrum = np.abs(np.fft.rfft(power * np.hanning(len(power)))) ** 2
    assert spectrum.max() < 0.15 * spectrum.sum(), "no sine"


def test_the_control_of_a_barrel_ripples_while_the_moulder_works_and_not_while_it_is_off() -> None:
    roster = roster_of(line("a", {"kind": "injection-moulder", "count": 3}, shifts={"hours": ["05:00-09:00"]}))

    for log in logs_of(blocks_of(roster, 8 * 3600, truth=True)).values():
        time = log.of("barrel_front_temperature").time_s
        ripple = {zone: truth(log, f"barrel_{zone}_temperature") for zone in ("front", "middle")}
        swings = []
        for start in (3600, 6.5 * 3600):
            here = (time > start) & (time < start + 3600)
            swings.append(np.diff(ripple["front"][here]).std())
        at_work = (time > 3600) & (time < 7200)
        assert abs(np.corrcoef(*(np.diff(each[at_work]) for each in ripple.values()))[0, 1]) < 0.5
        assert swings[1] < 0.2 * swings[0], "nothing heats it: it follows the hall"
