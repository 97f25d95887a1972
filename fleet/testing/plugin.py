"""The plugin for pytest: the fixture ``fleet_run``. Every pytest of the environment loads it, so it imports nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fleet.testing.runs import FleetRun


@pytest.fixture
def fleet_run() -> Iterator[FleetRun]:
    """Give what runs scenarios, in memory or with ``broker=True`` on an embedded broker that stays until the test ends.

    ``run = fleet_run("quickstart", for_="10min", seed=7)``: then ``run.records`` has what was sent.
    """
    from fleet.testing.runs import FleetRun

    with ExitStack() as stack:
        yield FleetRun(stack)
