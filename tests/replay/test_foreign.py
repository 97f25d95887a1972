"""Other people's readings, in our schema: every field, in order of time, or nothing at all."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fleet.encode.decode import Decoder
from fleet.encode.partition import partition_of
from fleet.errors import ScenarioError
from fleet.replay.foreign import PARTITIONS, TableSource
from fleet.replay.plan import ReplayRequest, make_plan
from tests.replay.recordings import by_place, carry_out, remembered

LONG = """time,machine,sensor,value,units,quality
2026-03-02T06:00:02Z,P1,pressure,1.5,bar,GOOD
2026-03-02T06:00:00Z,P2,flow,7,m3/h,GOOD
2026-03-02T06:00:01.5Z,P1,pressure,1.25,bar,BAD
2026-03-02T06:00:02Z,P1,flow,6,m3/h,
"""


Fields = dict[str, object]


def sent(path: Path, mapping: dict[str, str] | None = None, *, skip: bool = False) -> dict[int, list[Fields]]:
    source = TableSource(path, mapping or {}, skip=skip)
    plan = make_plan(ReplayRequest(str(path), "memory:", speed=math.inf), source, wall_us=0)
    result = carry_out(plan, source)
    assert result.exit_code == 0
    logs, decoder = by_place(remembered(result)), Decoder()
    return {
        partition: [decoder.decode(value) | {"key": key, "stamp": stamp} for key, value, stamp, _ in log]
        for (_, partition), log in logs.items()
    }


def test_every_field_of_a_row_is_in_its_record(tmp_path: Path) -> None:
    (tmp_path / "plant.csv").write_text(LONG)

    logs = sent(tmp_path / "plant.csv")

    assert logs[partition_of(b"P2", PARTITIONS)] == [
        {"machine": "P2", "sensor": "flow", "units": "m3/h", "value": 7.0, "timestamp": 1_772_431_200_000_000,
         "seq": 0, "quality": "GOOD", "key": b"P2", "stamp": 1_772_431_200_000},
    ]  # fmt: skip
    pump = logs[partition_of(b"P1", PARTITIONS)]
    assert [(one["seq"], one["sensor"], one["value"], one["quality"]) for one in pump] == [
        (0, "pressure", 1.25, "BAD"),
        (1, "pressure", 1.5, "GOOD"),
        (2, "flow", 6.0, "GOOD"),
    ]


def test_a_wide_table_has_a_sensor_a_column(tmp_path: Path) -> None:
    (tmp_path / "plant.csv").write_text("t;unit;PT1;FT1\n1772431200;P1;1,5;7\n1772431201;P1;1,6;8\n")

    logs = sent(tmp_path / "plant.csv", {"machine": "unit"})

    values = [(one["sensor"], one["value"], one["seq"]) for one in logs[partition_of(b"P1", PARTITIONS)]]
    assert values == [("PT1", 1.5, 0), ("FT1", 7.0, 1), ("PT1", 1.6, 2), ("FT1", 8.0, 3)]


def test_bad_rows_are_listed_one_by_one_within_bounds(tmp_path: Path) -> None:
    rows = ["2026-03-02T06:00:00Z,P1,flow,7"] + [f"2026-03-02T06:00:00Z,P1,flow,x{k}" for k in range(30)]
    (tmp_path / "plant.csv").write_text("time,machine,sensor,value\n" + "\n".join(rows) + "\n")

    with pytest.raises(ScenarioError) as raised:
        TableSource(tmp_path / "plant.csv", {})

    lines = str(raised.value).splitlines()
    assert lines[0].endswith("plant.csv:3: must have a number as its value, got 'x0'")
    assert len(lines) == 22
    assert lines[-2].endswith("and 10 more rows like these")
    assert lines[-1].endswith("leave them out with --skip-bad")
    assert len(sent(tmp_path / "plant.csv", skip=True)[partition_of(b"P1", PARTITIONS)]) == 1


def test_many_readings_are_read_span_by_span(tmp_path: Path) -> None:
    rows = [f"{1_772_431_200 + k / 10},P{k % 7},flow,{k}" for k in range(25_000)]
    (tmp_path / "plant.csv").write_text("time,machine,sensor,value\n" + "\n".join(rows) + "\n")

    logs = sent(tmp_path / "plant.csv")

    assert sum(map(len, logs.values())) == 25_000
    for log in logs.values():
        for machine in {one["machine"] for one in log}:
            seq = [one["seq"] for one in log if one["machine"] == machine]
            assert seq == list(range(len(seq)))
