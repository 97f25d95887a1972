"""The pictures of docs/asyncapi.md, made anew: ``make asyncapi-pictures``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.cli.commands import ROOT, fleet

FOLDER = ROOT / "docs" / "pictures" / "asyncapi"
SHOWN = {"quickstart": "#operation-receive-receiveReadings", "thingum": "", "hundred-thousand": ""}
"""What of a page is shown from where on: the payload of the readings, or its beginning."""

WIDTH, HEIGHT = 1000, 1100
FURTHER = 1250
"""So many pixels behind the beginning of what is read are its fields with their rules."""

COLOURS = 64


def draw(browser: Any, name: str, anchor: str) -> None:
    """Draw the page of the scenario *name* from *anchor* on."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        fleet("asyncapi", name, "--html", "--out", str(file))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-shown]")
        if anchor:
            page.evaluate("where => document.querySelector(where).scrollIntoView()", anchor)
            page.evaluate("by => window.scrollBy(0, by)", FURTHER)
        small = Image.open(BytesIO(page.screenshot())).convert("P", palette=Image.Palette.ADAPTIVE, colors=COLOURS)
        small.save(FOLDER / f"{name}.png", optimize=True)
        page.close()


def main() -> None:
    """Draw all of them; they need Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("pictures of pages are made by Chromium: no chromium on the path (make apt)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, anchor in SHOWN.items():
            draw(browser, name, anchor)
        browser.close()


if __name__ == "__main__":
    main()
