"""`fleet plot` and `fleet kinds`: what is written, what is said, what is refused."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fleet.api import load
from fleet.data import HOUR_US
from fleet.errors import RequestError
from fleet.picture import library
from fleet.picture.kinds import explained, picture_of
from fleet.picture.plot import PlotRequest, Plotted, plot_scenario
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.scenario.load import scenario_names, with_arguments
from tests.cli.commands import fleet
from tests.picture.test_envelope import silent

PNG = b"\x89PNG\r\n\x1a\n"
PAGE_BYTES_MAX = 2_000_000
SHORT = {"hundred-thousand": "10min", "all-kinds": "1h"}


class Page(HTMLParser):
    """What a page consists of, as a reader without eyes meets it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def plotted(name: str, out: Path, *machines: str, length: str | None = None, seed: int | None = None) -> Plotted:
    scenario = with_arguments(load(name), seed=seed, duration=length)
    return plot_scenario(PlotRequest(scenario, name, machines, out), silent)


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_makes_a_page(name: str, tmp_path: Path) -> None:
    out = tmp_path / "page.html"

    done = plotted(name, out, length=SHORT.get(name))

    text = out.read_text()
    page = Page(text)
    scenario = load(name)
    machine_kinds = {machines.kind for each in scenario.lines for machines in each.machines}
    with_readings = [kind for kind in machine_kinds if kind_named(kind).door is None]
    pictures = page.of("svg")
    assert done.file == out
    assert len(text) < PAGE_BYTES_MAX
    assert len(pictures) >= 2 * (1 + len(with_readings))  # each wide and narrow
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert page.of("html")[0] == {"lang": "en"}
    assert page.of("meta")[1]["content"] == "width=device-width, initial-scale=1"
    assert "prefers-color-scheme:dark" in text
    said = " ".join(page.words)
    for number, incident in enumerate(scenario.incidents):  # each is listed, and a machine that it struck is shown
        assert incident.id or f"incident-{number + 1}" in said
        assert incident.fault.replace("_", " ") in said.lower()
    for words in (scenario.name, "Availability", "execute", "Share of the time in each state", "fleet run"):
        assert words in said
    for kind in with_readings:
        assert f"{kind}, line " in said


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "page.html"

    plotted("quickstart", out)

    page = Page(out.read_text())
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert [tag for tag in ("script", "link", "iframe", "object") if page.of(tag)] == []
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:image/png;base64,")), (tag, target[:80])
            assert not target.startswith("#") or target == "#" or target[1:] in ids
    assert "url(http" not in out.read_text()
    assert set(re.findall(r"https?://[^\"' )]+", out.read_text())) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


@pytest.mark.parametrize("suffix", ["html", "svg", "png"])
def test_the_same_request_makes_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for out in (first, second):
        plotted("quickstart", out, "filling-pump-worn")

    ours, theirs = first.read_bytes(), second.read_bytes().replace(b"b.html", b"a.html")

    assert ours.replace(str(first).encode(), b"") == theirs.replace(str(second).encode(), b"").replace(
        str(tmp_path / "a.html").encode(), b""
    )


def test_another_seed_makes_another_picture(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"

    plotted("quickstart", first, "filling-pump-worn")
    plotted("quickstart", second, "filling-pump-worn", seed=12)

    assert first.read_bytes() != second.read_bytes()


def test_the_machine_that_fails_is_shown_with_its_story(tmp_path: Path) -> None:
    out = tmp_path / "page.html"

    plotted("quickstart", out)

    said = " ".join(Page(out.read_text()).words)
    assert "filling-pump-worn" in said
    assert "bearing wear shows, fails" in said
    assert "Its faults, UTC." in said


def test_one_picture_has_one_machine_or_the_fleet(tmp_path: Path) -> None:
    machine, map_ = tmp_path / "machine.svg", tmp_path / "fleet.png"

    plotted("quickstart", machine, "hardening-oven-001")
    done = plotted("quickstart", map_)

    text = machine.read_text()
    assert text.startswith("<svg")
    for name in ("hardening-oven-001", "Zone 1 temperature, °C", "Heater power, kW", "execute"):
        assert name in text
    assert map_.read_bytes().startswith(PNG)
    assert any("--machine ID" in line for line in done.said)


def test_a_picture_of_days_stays_small(tmp_path: Path) -> None:
    out = tmp_path / "days.svg"

    plotted("quickstart", out, "machining-cnc-spindle-001", length="3d")

    assert out.stat().st_size < 200_000


def test_a_door_is_drawn_without_readings(tmp_path: Path) -> None:
    out = tmp_path / "door.html"

    plotted("thingum", out, "north-gate")

    said = " ".join(Page(out.read_text()).words)
    assert "openings" in said
    assert "door open" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--machine", "filling-pump-01"),
            "--machine: unknown machine 'filling-pump-01'; did you mean 'filling-pump-001'?",
        ),
        (("--out", "a.gif"), "--out: must end in .html, .png or .svg, got 'a.gif'"),
        (("--for", "4000d"), "--for: 96000h of 4 machines that influence one another is too much"),
        (
            ("--for", "1000d", "--machine", "filling-pump-001", "--out", "a.png"),
            "--for: 24000h of 1 machine is 700 million readings",
        ),
        (("--for", "0s"), "--for: must be above 0"),
        (("--out", "nowhere/a.svg"), "--out: nowhere/a.svg cannot be written: No such file or directory"),
        (
            ("--machine", "filling-pump-001", "--machine", "filling-pump-002", "--out", "a.png"),
            "--out: png holds one picture; name one machine, or write a page: --out page.html",
        ),
    ],
)
def test_what_cannot_be_drawn_is_one_line(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    ended = fleet("plot", "quickstart", *words, cwd=tmp_path)

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith(says)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # how Python says that it is not there

    with pytest.raises(RequestError) as caught:
        plotted("quickstart", tmp_path / "page.html")

    assert "\n" not in str(caught.value)
    assert library.INSTALL in str(caught.value)
    assert library.INSTALL == "pip install 'thingum-fleet[plot]'"


def test_the_command_prints_the_file_and_says_how_to_repeat_it(tmp_path: Path) -> None:
    ended = fleet("plot", "quickstart", cwd=tmp_path)

    repeated = next(line for line in ended.lines if line.startswith("again: fleet ")).removeprefix("again: fleet ")
    first = (tmp_path / "quickstart-plot.html").read_bytes()
    again = fleet(*repeated.split(), cwd=tmp_path)
    assert ended.out == "quickstart-plot.html\n"
    assert again.code == 0
    assert (tmp_path / "quickstart-plot.html").read_bytes() == first


# ---- kinds


@pytest.mark.parametrize("name", shipped_kinds())
def test_every_kind_is_explained(name: str) -> None:
    kind = kind_named(name)

    told = json.loads(explained(name, as_json=True))

    assert [sensor["name"] for sensor in told["sensors"]] == list(kind.sensors)
    assert told["sources"] == list(kind.sources) != []
    assert set(told["wear"]) == set(kind.wear)
    for sensor in told["sensors"]:
        low, high = sensor["normal"]
        assert sensor["span"][0] <= low <= sensor["middle"] <= high <= sensor["span"][1]


@pytest.mark.parametrize("name", ["cnc-spindle", "door", "energy-meter"])
def test_a_kind_is_explained_in_words(name: str) -> None:
    kind = kind_named(name)

    text = explained(name, as_json=False)

    assert text.startswith(f"{name}: ")
    for part in (*kind.sensors, *kind.sources):
        assert part in text
    for mode in kind.wear:
        assert f"    {mode.replace('_', ' ')}: lives" in text


@pytest.mark.parametrize("name", shipped_kinds())
def test_every_kind_has_a_picture(name: str, tmp_path: Path) -> None:
    out = tmp_path / "kind.svg"

    picture_of(name, out, length_us=HOUR_US // 2)

    text = out.read_text()
    assert len(text) < 200_000
    for sensor in kind_named(name).sensors:
        assert sensor.replace("_", " ").capitalize() in text


def test_a_kind_of_ones_own_is_explained_from_its_file(tmp_path: Path) -> None:
    own = tmp_path / "slow-oven.yaml"
    shipped = Path(library.__file__).parents[1] / "kinds" / "oven.yaml"
    own.write_text(shipped.read_text().replace("kind: oven", "kind: slow-oven"))

    ended = fleet("kinds", str(own), "--out", str(tmp_path / "own.png"), "--for", "10min")

    assert ended.code == 0
    assert ended.out.startswith("slow-oven: ")
    assert (tmp_path / "own.png").read_bytes().startswith(PNG)


def test_an_unknown_kind_is_one_line() -> None:
    ended = fleet("kinds", "pmp")

    assert ended.code == 2
    assert ended.lines == ["kind: unknown kind 'pmp'; did you mean 'pump'?"]


def test_normal_ranges_are_where_readings_are() -> None:
    told = {sensor["name"]: sensor for sensor in json.loads(explained("pump", as_json=True))["sensors"]}

    assert 35 < told["bearing_temperature"]["middle"] < 50
    assert told["current"]["at_rest"] < 1 < told["current"]["normal"][0]
    assert told["motor_temperature"]["period_s"] == 10
