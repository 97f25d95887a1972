"""What wear brings by itself is told once: one label opens for each life, and closes."""

from __future__ import annotations

from pathlib import Path

from fleet.api import load, simulate
from fleet.data import Label

SCENARIO = """
fleet: 1
name: worn
seed: 5
start: 2026-03-02T06:00:00Z
duration: 16 h
lines:
  - name: filling
    crew: 1
    machines: [{kind: pump, count: 5, rate: 0.01/s, set: {bearing_life: 3 h, bearing_repair: 20 min}}]
"""


def test_a_life_has_one_label_that_opens_and_closes_with_the_same_onset(tmp_path: Path) -> None:
    (tmp_path / "worn.yaml").write_text(SCENARIO)

    labels = [label for block in simulate(load(tmp_path / "worn.yaml")) for label in block.labels]

    opened, closed = [each for each in labels if each.is_open], [each for each in labels if not each.is_open]
    by_id: dict[str, Label] = {each.id: each for each in opened}
    assert len(by_id) == len(opened) > 10
    assert len({each.id for each in closed}) == len(closed) > 10
    for each in closed:
        assert each.onset_us == by_id[each.id].onset_us
        assert each.failure_us is not None
        assert each.stop_us is not None
        assert each.onset_us < each.failure_us < each.stop_us
