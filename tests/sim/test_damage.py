from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import SECOND_US, Floats
from fleet.fit.graph import inputs_of
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.sim.damage import KNOTS, age_at, flank, gamma_paths, paths, smooth, wiener_paths
from fleet.sim.laws import LAW_INPUTS
from fleet.sim.lives import life_of, lives_of
from fleet.sim.rules import Mode
from tests.scenario.files import kind_mistakes
from tests.sim.plants import Log, blocks_of, events_of, kind_from, line, logs_of, roster_of

SEEDS = range(1, 21)

SHOWING = """\
kind: showing
wear:
  belt: {life: 100 s, shape: 3, repair: 20 s, sigma: 0.3}
drives:
  turning: {execute: 1}
signals:
  worn: {law: scaled, of: damage.belt, by: 100, plus: 0}
sensors:
  worn: {signal: worn, units: "%", period: 1 s, span: [0, 100], resolution: 0.001}
"""
"""A kind whose sensor shows its damage as it is."""


def showing(**wear: Any) -> Kind:
    belt = {"life": "100 s", "shape": 3, "repair": "20 s", "sigma": 0.3, **wear}
    return kind_from(SHOWING, wear={"belt": {key: value for key, value in belt.items() if value is not None}})


def damages(seconds: float, *, seed: int = 1, cuts_us: tuple[int, ...] = (), **wear: Any) -> Log:
    kind = showing(**wear)
    roster = roster_of(line("a", {"kind": "showing"}), kinds={"showing": kind})
    return logs_of(blocks_of(roster, seconds, seed=seed, cuts_us=cuts_us, truth=True))["a-showing-001"]


def lives_in(damage: Floats) -> list[Floats]:
    """Split a machine's damage where a repair has taken it back."""
    falls = np.flatnonzero(np.diff(damage) < -0.5) + 1
    return np.split(damage, falls)


MODE = Mode("belt", [1], 1.0, (0.0, 0.0), [1], 0.1, 1, 2, 3, 4, path_word=5)


def mode(growth: str, **more: Any) -> Mode:
    fields = {name: getattr(MODE, name) for name in MODE.__slots__}
    return Mode(**(fields | {"growth": growth} | more))


# ---- lives


@pytest.mark.parametrize(
    ("law", "shape"), [("weibull", 1.8), ("weibull", 0.6), ("exponential", 1.0), ("lognormal", 0.7)]
)
@pytest.mark.parametrize("lived", [0.0, 0.4, 3.0])
def test_a_life_given_what_was_lived_is_the_laws_own(law: str, shape: float, lived: float) -> None:
    chances = (np.arange(2000) + 0.5) / 2000

    all_lives = np.array([life_of(law, shape, u) for u in chances])
    longer = np.array([life_of(law, shape, u, lived) for u in chances])

    assert lives_of(law, shape, chances.tolist()) == all_lives.tolist()
    survivors = all_lives[all_lives > lived]
    assert (longer >= lived).all()
    assert np.median(longer) == pytest.approx(np.median(survivors), rel=0.25 if len(survivors) < 50 else 0.05)


def test_the_scale_is_the_mean_of_an_exponential_life_and_the_median_of_a_lognormal_one() -> None:
    chances = (np.arange(20_000) + 0.5) / 20_000

    exponential = np.array([life_of("exponential", 1.0, u) for u in chances])
    lognormal = np.array([life_of("lognormal", 0.5, u) for u in chances])

    assert exponential.mean() == pytest.approx(1, rel=0.01)
    assert np.median(lognormal) == pytest.approx(1, rel=0.01)
    assert np.log(lognormal).std() == pytest.approx(0.5, rel=0.01)


# ---- paths


WORDS = np.arange(1, 401, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
FIRST = np.zeros(400, np.int64)


def test_gamma_paths_never_fall_rise_in_jumps_and_are_straight_in_the_mean() -> None:
    table = gamma_paths(0.2, WORDS, FIRST)

    steps = np.diff(table, axis=1)
    spread = steps.std()
    kurtosis = ((steps - steps.mean()) ** 4).mean() / spread**4 - 3
    assert (steps >= 0).all()
    assert (table[:, 0] == 0).all()
    assert (table[:, -1] == 1).all()
    assert np.abs(table.mean(axis=0) - np.arange(KNOTS + 1) / KNOTS).max() < 0.03
    assert kurtosis > 10
    # A bridge of shape A in all is Dirichlet: half-way it varies by sqrt(1 / 4 / (A + 1)).
    assert table[:, KNOTS // 2].std() == pytest.approx(np.sqrt(0.25 / (1 / 0.04 + 1)), rel=0.12)


def test_wiener_paths_wander_and_touch_the_failing_level_at_the_end_only() -> None:
    table = wiener_paths(0.15, WORDS, FIRST)

    assert (table[:, :-1] < 1).all()
    assert (table[:, -1] == 1).all()
    assert (np.diff(table[:, : KNOTS // 2], axis=1) < 0).mean() > 0.2
    assert table[:, KNOTS // 2].mean() == pytest.approx(0.5, abs=0.05)


def test_every_life_and_machine_has_a_path_of_its_own() -> None:
    gamma = mode("gamma")

    one, next_life = (paths(gamma, WORDS[:2], np.full(2, number)) for number in (0, 1))

    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], next_life[0])
    assert np.array_equal(one, paths(gamma, WORDS[:2], np.zeros(2, np.int64)))


def test_flank_wear_breaks_in_is_steady_and_ends_fast() -> None:
    share = np.linspace(0, 1, 1001)

    worn = flank(share)

    slope = np.diff(worn) * 1000
    assert worn[0] == pytest.approx(0, abs=1e-12)
    assert worn[-1] == pytest.approx(1)
    assert worn[100] == pytest.approx(0.1 / 0.3, abs=1e-9)
    assert worn[900] == pytest.approx(0.25 / 0.3, abs=1e-9)
    assert slope[0] > 3 * slope[500] > 0
    assert slope[-1] > 3 * slope[500]
    assert np.ptp(slope[105:895]) < 1e-9


@given(
    st.sampled_from(["power", "gamma", "wiener", "flank"]),
    st.integers(0, 2**64 - 1),
    st.floats(0.01, 0.99),
    st.integers(0, 50),
)
def test_the_age_at_which_damage_reaches_a_level_is_where_it_does(
    growth: str, word: int, level: float, number: int
) -> None:
    belt = mode(growth, exponent=2.0)
    life_us, onset_us = 1000 * SECOND_US, 400 * SECOND_US

    age_us = age_at(belt, word, (0, life_us, onset_us, 1_000_000, 0, number), level)

    share = np.array([(age_us - onset_us) / (life_us - onset_us)])
    if growth in ("power", "flank"):
        found = float(smooth(belt, share)[0])
    else:
        table = paths(belt, np.array([word], np.uint64), np.array([number]))[0]
        found = float(np.interp(share[0] ** 2.0, np.arange(KNOTS + 1) / KNOTS, table))
        before = table[: int(share[0] ** 2.0 * KNOTS)]
        assert not len(before) or before.max() < level
    assert found == pytest.approx(level, abs=2e-3)


# ---- as the readings see them


@pytest.mark.parametrize("growth", ["power", "gamma"])
def test_damage_grows_from_its_onset_to_1_at_the_failure_and_never_falls_but_by_repair(growth: str) -> None:
    onsets = monotone = 0
    for seed in SEEDS:
        log = damages(1500, seed=seed, growth=growth, onset=["65 %", "95 %"])
        assert log.truth is not None

        lives = lives_in(log.truth)
        monotone += all((np.diff(life) >= 0).all() for life in lives)
        whole = lives[1:-1]
        assert len(whole) > 5
        assert all(life[-1] == 100 for life in whole)  # it waits for its repair
        begun = [np.argmax(life > 0) / np.argmax(life == 100) for life in whole]
        onsets += all(0.60 <= share <= 0.99 for share in begun)
    assert monotone == 20
    assert onsets >= 17


def test_a_filter_is_changed_in_passing_and_fouls_again_as_a_saw_tooth() -> None:
    fouling = {"onset": ["0 %", "0 %"], "exponent": 1, "ends": "change", "shape": 20}
    kind = showing(**fouling)
    roster = roster_of(line("a", {"kind": "showing"}, crew=1), kinds={"showing": kind})
    blocks = blocks_of(roster, 2000, truth=True)

    log, events = logs_of(blocks)["a-showing-001"], events_of(blocks)["a-showing-001"]

    assert log.truth is not None
    assert [(event.state, event.cause) for event in events[:4]] == [
        ("execute", ""),
        ("held", "belt"),
        ("execute", ""),
        ("held", "belt"),
    ]
    for life in lives_in(log.truth)[1:-1]:
        rising = life[life < 100]
        assert np.ptp(np.diff(rising[1:])) < 0.15 * np.diff(rising).mean()  # scans are not quite punctual


def test_a_tool_lives_by_its_cutting_time_and_by_taylors_law() -> None:
    tool = {"growth": "flank", "ends": "change", "shape": 60, "share": "50 %", "taylor": 0.25, "exponent": None}
    kind = showing(**tool)
    roster = roster_of(line("a", {"kind": "showing"}), kinds={"showing": kind})

    events = events_of(blocks_of(roster, 3000))["a-showing-001"]

    lived = [(b.time_us - a.time_us) / SECOND_US for a, b in zip(events[2::2], events[3::2], strict=False)]
    assert np.mean(lived) == pytest.approx(200, rel=0.05)  # 100 s of cutting, which is half of the time
    halved = mode("flank", share=0.5, taylor=4.0)
    assert halved.rate_ppm(1_000_000) == 500_000
    assert halved.rate_ppm(840_896) == pytest.approx(250_000, abs=5)  # v T^n = C with n 0.25


@given(
    st.sampled_from(["power", "gamma", "wiener", "flank"]),
    st.lists(st.integers(1, 199_999_999), max_size=8, unique=True),
    st.integers(1, 50),
)
@settings(max_examples=15)
def test_damage_does_not_depend_on_where_blocks_are_cut(growth: str, cuts: list[int], seed: int) -> None:
    wear = {"growth": growth, "life": "40 s", "repair": "4 s", "onset": ["20 %", "60 %"], "exponent": None}

    whole, parts = damages(200, seed=seed, **wear), damages(200, seed=seed, cuts_us=tuple(cuts), **wear)

    assert np.array_equal(whole.value, parts.value)
    assert whole.value.max() > 50


@pytest.mark.parametrize(
    ("wear", "words"),
    [
        ("shape: 0", "must be above 0, got 0"),
        ("law: weibul, shape: 2", "must be one of weibull, exponential, lognormal, got 'weibul'"),
        ("law: exponential, shape: 2", "must be absent: an exponential life has none"),
        ("law: lognormal", "must be given: a lognormal life has one"),
        ("shape: 2, growth: flank, exponent: 2", "must be absent: flank wear has its own three stages"),
        ("shape: 2, roughness: 20 %", "must be absent: the growth 'power' is smooth; gamma and wiener are rough"),
        ("shape: 2, taylor: 0", "must be at least 0.001, got 0"),
    ],
)
def test_a_mistake_in_a_failure_mode_is_named(tmp_path: Any, wear: str, words: str) -> None:
    text = SHOWING.replace("shape: 3", wear)

    found = kind_mistakes(tmp_path, text)

    assert any(words in each for each in found), found


WARMING = [
    (name, node, sensor)
    for name in shipped_kinds()
    for node, model in kind_named(name).nodes.items()
    if model.wear is not None
    for sensor in kind_named(name).sensors
    if node in inputs_of(kind_named(name), kind_named(name).sensors[sensor].signal)
]


@pytest.mark.parametrize(("name", "node", "sensor"), WARMING)
def test_what_a_worn_part_has_warmed_cools_slowly_once_it_is_renewed(name: str, node: str, sensor: str) -> None:
    kind = kind_named(name)
    mode = str(kind.nodes[node].wear)
    wear = kind.wear[mode].model_copy(update={"life": 40 * 3600.0, "shape": 6.0, "repair": 600.0, "sigma": 0.0})
    seen = kind.sensors[sensor].model_copy(update={"period": 5.0})
    plain = {"wear": {mode: wear}, "sensors": {sensor: seen}, "micro_stop": None}
    roster = roster_of(line("a", {"kind": name, "count": 3}), kinds={name: kind.model_copy(update=plain)})

    blocks = blocks_of(roster, 60 * 3600, cuts_us=range(0, 60 * 3600 * SECOND_US, 7_000 * SECOND_US), truth=True)

    events, falls, repairs = events_of(blocks), [], 0
    for machine, log in logs_of(blocks).items():
        assert log.truth is not None
        repaired = [e.time_us / 1e6 - log.scan_us[0] / 1e6 for e in events[machine] if e.cause == "repaired"]
        repairs += len(repaired)
        time_s = (log.scan_us - log.scan_us[0]) / 1e6
        for at in repaired:
            here = (time_s > at - 60) & (time_s < at + 60)
            assert np.abs(np.diff(log.truth[here])).max() < 0.25, "no step from one reading to the next"
            if at < 55 * 3600:
                before, later = (np.interp(at + shift_s, time_s, log.truth) for shift_s in (-660, 4 * 3600))
                falls.append(before - later)
    assert repairs >= 3
    assert np.mean(falls) > 4, "it was warm while it was worn"


# ---- the heat of wear


@pytest.mark.parametrize("name", ["pump", "compressor"])
def test_the_heat_of_a_worn_bearing_follows_its_vibration_by_its_time_constant_and_does_not_jump(name: str) -> None:
    """The vibration of a machine and of its twin without wear give the damage; their temperatures its heat."""
    kind = kind_named(name, laws=LAW_INPUTS)
    rise = "wear_rise" if name == "compressor" else "bearing_wear_rise"
    temperature = "oil_temperature" if name == "compressor" else "bearing_temperature"
    fast = kind.wear["bearing"].model_copy(update={"life": 60 * 3600.0, "shape": 1000.0, "onset": (0.2, 0.2)})
    sensors = {
        each: kind.sensors[each].model_copy(update={"period": 30.0, "tau": 0.0}) for each in ("vibration", temperature)
    }
    kinds = {name: kind.model_copy(update={"wear": kind.wear | {"bearing": fast}, "sensors": sensors})}

    def run(**parameters: str) -> tuple[Floats, Floats]:
        """Give the vibration and the temperature up to the failure."""
        settings = {each: {"value": value, "spread": "0 %"} for each, value in parameters.items()}
        settings |= {"micro_stop": {"every": "9000 h"}} if kind.micro_stop else {}
        settings |= {"setpoint": {"every": "9000 h"}} if kind.setpoint else {}
        machine = {"kind": name, "set": settings}
        blocks = blocks_of(roster_of(line("a", machine), kinds=kinds), 24 * 3600, seed=5, truth=True)
        (log,), (events,) = logs_of(blocks).values(), events_of(blocks).values()
        failed = next(event.time_us for event in events if event.state == "aborted")
        vibration, warmth = log.of("vibration"), log.of(temperature)
        assert vibration.truth is not None
        assert warmth.truth is not None
        return vibration.truth[vibration.scan_us < failed - 60 * SECOND_US], warmth.truth[warmth.scan_us < failed]

    (shaken, warm), (_, plain), (calm, _) = (
        run(**{rise: "12 K"}),
        run(**{rise: "0.0001 K"}),
        run(vibration_growth="0.000001"),
    )
    count = min(len(shaken), len(warm))
    damage, heat = (shaken / calm - 1.0)[:count], (warm - plain)[:count]
    node = kind.nodes["bearing_friction"]
    stepped, value = np.empty(len(damage)), 0.0
    for place, each in enumerate(damage.tolist()):
        value += (each - value) * 30.0 / node.tau
        stepped[place] = value
    late = np.arange(count) * 30.0 > 3 * node.tau

    scale = float((heat[late] * stepped[late]).sum() / (stepped[late] ** 2).sum())
    assert heat.max() > 1.0
    assert np.abs(heat - scale * stepped)[late].max() < 0.12 * heat.max()
    assert np.abs(heat - scale * stepped)[late].std() < 0.5 * np.abs(heat - scale * damage)[late].std()
    assert np.abs(np.diff(heat)).max() < 0.35 * scale * np.abs(np.diff(damage)).max() + 0.02
