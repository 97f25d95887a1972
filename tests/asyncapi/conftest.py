"""What only other people's tools can prove: AsyncAPI's own parser in Node, the page in Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import skip_or_fail
from tests.services.node import packages, run
from tests.services.process import ServiceUnavailable

HERE = Path(__file__).parent
Parse = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Return the packages that the lock file here describes."""
    try:
        return packages(HERE)
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))
        raise


@pytest.fixture(scope="session")
def parse(node_modules: Path) -> Parse:
    """Return what AsyncAPI's parser and Avro's say of a document in a file."""

    def parsed(file: Path) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(run(HERE / "validate.mjs", str(file), modules=node_modules))
        return said

    return parsed


@pytest.fixture(scope="module")  # while it is open an event loop runs, in which no test can begin its own
def browser() -> Iterator[Any]:
    """Return the system's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        skip_or_fail("pages are looked at in Chromium: no chromium on the path (make apt)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium)
        yield opened
        opened.close()
