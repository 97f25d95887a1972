"""What the load does not explain: a regression of each machine's sensors on its current and speed, and a CUSUM.

    python examples/detectors/residuals.py out.jsonl > alerts.jsonl
    FLEET_KAFKA_BOOTSTRAP=localhost:9092 python examples/detectors/residuals.py --idle 10 > alerts.jsonl

In its first hour of running each machine shows how its temperatures, vibrations and pressures follow from what
drives it (currents, powers, speeds, and the load as slow nodes feel it: exponentially weighted means, EWMA). A
ridge regression of the minutes' means keeps that. From then on each minute has a residual, divided by how uncertain
the prediction is: its scatter in the first hour, at least a floor for what no single hour shows (the weather, another
product), and more of both where the load is one that was not seen (the leverage of the regression). Page's CUSUM of
it, on either side, adds up what is beyond an allowance; the score is the sum by its limit. After a stop the sums begin
at 0: who repairs, stops.

The regression sees that sensors no longer agree. Which of them is wrong, or whether the machine is, it cannot know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from readings import Alerts, Minute, Minutes, arguments, readings, run

Floats = NDArray[np.float64]

DRIVERS = ("A", "kW", "rpm", "m/s")
TARGETS = {"degC": (3.0, 0.02), "mm/s": (0.05, 0.1), "bar": (0.0, 0.05)}
"""Units of what is predicted, and the floor of a prediction's uncertainty: so much, plus a share of the level."""

LEARN = 60  # minutes of running
SETTLE = 3  # minutes after a stop that say nothing yet
RESTING = 0.25  # of the usual load: below it the machine stands, or nearly
SLOW = 1 / np.array([20.0, 60.0])  # weights of a minute in the slow loads: as bearings and motors warm
RIDGE = 0.1
ALLOWANCE, LIMIT = 1.0, 15.0  # of the CUSUM, in standard deviations: it is there for shifts of 2 and more


@dataclass
class Model:
    """Predicts the sensors of one machine from its drivers, by what the first hour showed."""

    middle: Floats
    scale: Floats
    weights: Floats  # (features + 1, targets)
    spread: Floats  # (targets,): scatter in the first hour
    inverse: Floats  # of the normal equations: how well each direction of the features is known

    @classmethod
    def fitted(cls, features: Floats, targets: Floats) -> Model:
        """Fit (minutes, features) to (minutes, targets) by ridge regression."""
        middle = features.mean(axis=0)
        # A driver that hardly moved says little: its scatter is not blown up to that of one that did.
        scale = np.maximum(features.std(axis=0), 0.01 * np.abs(middle) + 1e-9)
        design = np.column_stack([np.ones(len(features)), (features - middle) / scale])
        penalty = np.diag([0.0, *np.full(features.shape[1], RIDGE * len(features))])
        inverse = np.linalg.inv(design.T @ design + penalty)
        weights = inverse @ design.T @ targets
        spread = (targets - design @ weights).std(axis=0)
        return cls(middle, scale, weights, spread, inverse)

    def residual(self, features: Floats, targets: Floats, floor: Floats) -> Floats:
        """Give what *targets* (targets,) have beyond the prediction, in standard deviations of that."""
        row = np.concatenate([[1.0], (features - self.middle) / self.scale])
        leverage = float(row @ self.inverse @ row)
        uncertain = np.hypot(self.spread, floor) * np.sqrt(1 + leverage)
        return np.asarray((targets - row @ self.weights) / uncertain, np.float64)


@dataclass
class Machine:
    """One machine: what it showed, its model, its sums."""

    drivers: list[str]
    targets: list[str]
    floors: list[tuple[float, float]]
    slow: Floats | None = None
    usual: float = 0.0
    quiet: int = SETTLE
    rows: list[tuple[Floats, Floats]] = field(default_factory=list)
    model: Model | None = None
    sums: Floats = field(default_factory=lambda: np.zeros(0))

    def scores(self, minute: Minute) -> Floats | None:
        """Take a minute; give the score of each target, None where it says nothing."""
        drivers = np.array([minute.mean.get(name, np.nan) for name in self.drivers])
        targets = np.array([minute.mean.get(name, np.nan) for name in self.targets])
        if not (np.isfinite(drivers).all() and np.isfinite(targets).all()):
            return None
        load = float(drivers[0])
        self.slow = np.full(len(SLOW), load) if self.slow is None else self.slow + SLOW * (load - self.slow)
        if load > self.usual / RESTING:  # what it did before was no running, but the noise of a machine that is off
            self.rows.clear()
            self.quiet = 0
        self.usual = max(load, self.usual)
        if load < RESTING * self.usual:
            self.quiet, self.sums = 0, np.zeros((2, len(self.targets)))
            return None
        self.quiet += 1
        if self.quiet <= SETTLE:
            return None
        features = np.concatenate([drivers, self.slow])
        if self.model is None:
            self.rows.append((features, targets))
            if len(self.rows) == LEARN:
                seen, told = (np.array(each) for each in zip(*self.rows, strict=True))
                self.model, self.sums = Model.fitted(seen, told), np.zeros((2, len(self.targets)))
            return None
        floor = np.array([base + share * abs(level) for (base, share), level in zip(self.floors, targets, strict=True)])
        residual = self.model.residual(features, targets, floor)
        self.sums = np.maximum(0.0, self.sums + np.array([residual, -residual]) - ALLOWANCE)
        return np.asarray(self.sums.max(axis=0) / LIMIT, np.float64)


class Residuals:
    """Looks at each minute of every machine that has drivers and targets."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._machines: dict[str, Machine] = {}

    def take(self, minute: Minute) -> None:
        """Look at one *minute* of one machine."""
        machine = self._machines.get(minute.machine)
        if machine is None:
            by_units = sorted(minute.units, key=lambda sensor: (minute.units[sensor] not in DRIVERS, sensor))
            drivers = [sensor for sensor in by_units if minute.units[sensor] in DRIVERS]
            drivers.sort(key=lambda sensor: DRIVERS.index(minute.units[sensor]))
            targets = [sensor for sensor in by_units if minute.units[sensor] in TARGETS]
            floors = [TARGETS[minute.units[sensor]] for sensor in targets]
            machine = self._machines[minute.machine] = Machine(drivers, targets, floors)
        if not machine.drivers or not machine.targets:
            return
        scores = machine.scores(minute)
        for sensor, score in zip(machine.targets, [] if scores is None else scores.tolist(), strict=False):
            self._alerts.score(minute.machine, sensor, minute.end_s, score)


async def main() -> None:
    """Read, look, alert."""
    options = arguments("What the load does not explain: regression on current and speed, and a CUSUM.").parse_args()
    residuals, minutes = Residuals(Alerts()), Minutes()
    async for reading in readings(options, group="detector-residuals"):
        for minute in minutes.take(reading):
            residuals.take(minute)


if __name__ == "__main__":
    run(main())
