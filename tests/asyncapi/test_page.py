"""The page shows the document in a real browser, and asks nobody for anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.encode.schemas import schema_text
from tests.asyncapi.vendor import ORIGIN, PACKAGE, SHIPPED, digest, origin_of
from tests.cli.commands import fleet
from tests.describe.documents import shipped

WHOLE = "html[data-shown]"
SHOWN_MS = 60_000


def opened(browser: Any, file: Path) -> tuple[Any, list[str], list[str]]:
    """Open *file*; give the page, what else it asked for, and what went wrong in it."""
    page = browser.new_page(viewport={"width": 1600, "height": 1200})
    asked: list[str] = []
    wrong: list[str] = []

    def answer(route: Any) -> None:
        if route.request.url == file.as_uri():
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", answer)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(file.as_uri())
    page.wait_for_selector(WHOLE, timeout=SHOWN_MS)
    return page, asked, wrong


@pytest.mark.parametrize("name", ["quickstart", "thingum", "hundred-thousand"])
def test_the_page_shows_fields_doc_strings_enums_and_examples_and_asks_nobody(
    name: str, browser: Any, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    fleet("asyncapi", name, "--html", "--out", str(file))

    page, asked, wrong = opened(browser, file)
    text = page.inner_text("body")
    shown = [json.loads(code) for code in page.locator("pre code").all_inner_texts() if code.startswith("{")]

    assert asked == []
    assert wrong == []
    document = shipped(name)
    for key, message in document["components"]["messages"].items():
        payload = message["payload"]
        if "schemaFormat" in payload:
            assert_shown(payload["schema"], text)
        for example in message.get("examples", ()):
            assert example["summary"] in text, key
            assert example["payload"] in shown, key
    for channel in document["channels"].values():
        assert channel["address"] in text
    for server in document["servers"].values():
        assert server["host"] in text
    page.close()


def assert_shown(schema: dict[str, Any], text: str) -> None:
    """See that each field of *schema* can be read with its doc string, enums with their symbols."""
    for field in schema["fields"]:
        assert f"\n{field['name']}\n" in text
        assert field["doc"].replace("`", "") in text  # it is Markdown
        if isinstance(field["type"], dict) and field["type"]["type"] == "enum":
            for symbol in field["type"]["symbols"]:
                assert f'"{symbol}"' in text


def test_a_name_that_looks_like_a_tag_stays_text(browser: Any, tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(
        "fleet: 1\nname: mine\nabout: '</SCRIPT><script>document.title = 1</script><!-- <b id=bold>'\nduration: 1 min\n"
        "lines: [{name: a, machines: [{kind: pump}]}]\n"
    )
    ended = fleet("asyncapi", str(scenario), "--html", "--out", str(tmp_path / "page.html"))

    page, asked, wrong = opened(browser, tmp_path / "page.html")

    assert ended.code == 0
    assert (asked, wrong) == ([], [])
    assert page.title() == "mine: what this factory sends to Kafka"
    page.close()


def test_what_is_shipped_is_what_its_origin_says() -> None:
    said = json.loads(ORIGIN.read_text())

    assert said["package"] == PACKAGE
    assert said["script sha256"] == digest(_script())
    assert said["style sha256"] == digest((SHIPPED / "default.min.css").read_bytes())
    assert "Apache License" in (SHIPPED / "LICENSE").read_text()


def test_what_is_shipped_is_what_npm_gives(node_modules: Path) -> None:
    assert origin_of(node_modules / PACKAGE) == json.loads(ORIGIN.read_text())


def _script() -> bytes:
    import gzip

    return gzip.decompress((SHIPPED / "index.js.gz").read_bytes())


def test_the_schemas_shown_are_those_that_are_published() -> None:
    shown = shipped("thingum")["components"]["messages"]["readings-v1"]["payload"]["schema"]

    assert shown == json.loads(schema_text("machine-sensor.v1.avsc"))
