"""Files of readings as people export them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import RequestError, ScenarioError
from fleet.fit.records import records_of
from fleet.fit.table import Table, read_table
from fleet.scenario.kinds import kind_named
from tests.fit.readings import START_US

HEAD = "time,machine,sensor,value\n"


def read(tmp_path: Path, text: str, *, name: str = "x.csv", **mapping: str) -> Table:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_table(file, mapping)


def only(table: Table) -> tuple[list[int], list[float]]:
    (column,) = table.columns.values()
    return column.time_us.tolist(), column.value.tolist()


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T06:00:00Z", "2026-03-02 06:00:00", "2026-03-02T07:00:00+01:00", "02.03.2026 06:00:00", "1772431200",
        "1772431200.0", "1772431200000", "1772431200000000", "1772431200000000000",
    ],
)  # fmt: skip
def test_times_are_read_in_every_usual_form(tmp_path: Path, time: str) -> None:
    table = read(tmp_path, f"{HEAD}{time},a,flow,1.5\n")

    assert only(table) == ([START_US], [1.5])


def test_semicolons_come_with_decimal_commas(tmp_path: Path) -> None:
    table = read(tmp_path, "Zeit;Anlage;Punkt;Wert\n2026-03-02 06:00;a;flow;1,5\n", time="Zeit", machine="Anlage",
                 sensor="Punkt", value="Wert")  # fmt: skip

    assert only(table) == ([START_US], [1.5])
    assert table.zoneless


def test_a_column_a_sensor_is_read_as_well(tmp_path: Path) -> None:
    table = read(tmp_path, "timestamp,flow,current\n1772431200,50.1,\n1772431201,50.2,20\n")

    assert table.form == "wide"
    assert {sensor: list(column.value) for (_, sensor), column in table.columns.items()} == {
        "flow": [50.1, 50.2],
        "current": [20.0],
    }
    assert table.remarks() == [f"{table.file}:2: has no value; 1 left out like this"]


def test_what_a_run_writes_as_json_lines_is_read(tmp_path: Path) -> None:
    fields = '"machine":"a","sensor":"flow","units":"m3/h","value":1.5,"timestamp":"2026-03-02T06:00:00Z"'
    line = f'{{{fields},"quality":"GOOD"}}\n'

    table = read(tmp_path, line + line.replace("GOOD", "BAD"), name="x.jsonl")

    assert only(table) == ([START_US], [1.5])
    assert table.remarks() == [f"{table.file}:2: is of quality BAD; 1 left out like this"]


def test_every_class_of_bad_rows_is_said_once_with_its_first_line_and_counted(tmp_path: Path) -> None:
    good = "1772431200,a,flow,1.5\n"
    at = "1772431200,a"
    bad = f"{at},flow,Bad Input\n{at},flow,I/O\nyesterday,a,flow,1\n{at},flow,\n{at}\n,a,flow,1\n"

    table = read(tmp_path, HEAD + good + bad)

    assert [remark.removeprefix(table.file) for remark in table.remarks()] == [
        ":3: must have a number as its value, got 'Bad Input'; 2 left out like this",
        ":5: must be a time like 2026-03-02T06:00:00Z or a number since 1970, got 'yesterday'; 2 left out like this",
        ":6: has no value; 1 left out like this",
        ":7: must have 4 cells, has 2; 1 left out like this",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: must begin with a line that names the columns, is empty"),
        ("value\n1\n2\n", ":1: must have a column of times and one of values, has one column: 'value'"),
        ("when,flow\n1,2\n", ":1: must have a column of times; none of when, flow is called time or timestamp or ts"),
        (
            "time,sensor,x\n1,flow,2\n",
            ":1: has a column of sensors and none of values; say which with --map value=COLUMN",
        ),
        (
            HEAD + "1772431200,a,flow,much\n",
            ":2: must have a number as its value, got 'much'; 1 left out like this, and no reading is left",
        ),
        (HEAD, ":1: must have readings below the names of its columns, has none"),
    ],
)
def test_a_file_that_is_no_table_of_readings_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        read(tmp_path, text)

    assert f"x.csv{says}" in str(refused.value)


def test_a_mapped_column_that_is_not_there_has_the_nearest_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"--map value: no column 'Value'; did you mean 'value'\?"):
        read(tmp_path, HEAD, value="Value")


def minute(sensor: str, unit: str = "", *, value: str = "{k}") -> str:
    rows = "".join(f"{1772431200 + k},a,{sensor},{value.format(k=k)},{unit}\n" for k in range(90))
    return "time,machine,sensor,value,units\n" + rows


def test_sensors_of_other_names_and_units_are_taken_as_said(tmp_path: Path) -> None:
    table = read(tmp_path, minute("PT101", "kPa", value="5{k:02d}"))

    (record,) = records_of(table, kind_named("pump"), {"PT101": "discharge_pressure"}).machines

    assert record.sensors == ("discharge_pressure",)
    assert record.value[0, :2].tolist() == [5.0, 5.01]


def test_sensors_that_the_kind_does_not_have_are_said(tmp_path: Path) -> None:
    table = read(tmp_path, minute("PT101"))

    with pytest.raises(
        ScenarioError, match=r"must have sensors of pump .* has 'PT101'; say which they are with --sensor"
    ):
        records_of(table, kind_named("pump"), {})
    with pytest.raises(RequestError, match=r"--sensor: no sensor 'flaw' of pump; did you mean 'flow'\?"):
        records_of(table, kind_named("pump"), {"PT101": "flaw"})


def test_a_sensor_that_repeats_one_reading_for_ever_is_left_out_as_stuck(tmp_path: Path) -> None:
    table = read(tmp_path, minute("flow") + minute("current", value="12.5").partition("\n")[2])

    found = records_of(table, kind_named("pump"), {})

    assert found.machines[0].sensors == ("flow",)
    assert found.remarks == (
        f"{table.file}: a: current is 12.5 throughout, which no such sensor is for so long: left out as stuck",
    )


def test_gaps_disorder_and_readings_of_one_scan_are_counted(tmp_path: Path) -> None:
    rows = minute("flow").splitlines()
    table = read(tmp_path, minute("flow") + "\n".join([rows[12], rows[11]]) + "\n1772431500,a,flow,3,\n")

    found = records_of(table, kind_named("pump"), {})

    (record,) = found.machines
    assert record.value.shape == (1, 301)
    assert [remark.removeprefix(table.file) for remark in found.remarks] == [
        ": 2 readings that share their scan with another of the same sensor: the last one counts",
        ":92: 2 readings stood out of order and were put in order",
    ]
