"""A broker that is not there, or that goes while a run is on its way: one line each, and no noise of the client's."""

from __future__ import annotations

import re
import signal
import socket

import pytest

from fleet.broker.process import EmbeddedBroker
from tests.cli.commands import Live, fleet

TOPICS = {"factory.readings": 12, "factory.events": 12, "factory.runs": 1}
OURS = re.compile(
    r"quickstart: |\d{4}-\d\d-\d\dT|run \d|kafka: |late: |readings: |events: |records of the run itself: |"
    r"acknowledged after|lateness: |stopped early: |again: |interrupted at "
)


@pytest.fixture
def nobody() -> str:
    """Give an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    "words",
    [
        ("run", "quickstart", "--to", "kafka://{}"),
        ("check", "quickstart", "--create", "--to", "kafka://{}"),
        ("tail", "--from", "kafka://{}"),
        ("verify", "--from", "kafka://{}"),
    ],
    ids=lambda words: words[0],
)
def test_a_broker_that_is_not_there_is_one_line_and_exit_code_2(words: tuple[str, ...], nobody: str) -> None:
    ended = fleet(*(word.format(nobody) for word in words))

    assert (ended.code, ended.out) == (2, "")
    assert ended.lines == [f"kafka: cannot reach {nobody}: connection refused: nothing listens there"]


def test_a_broker_that_goes_in_the_middle_of_a_run_is_told_once() -> None:
    with EmbeddedBroker() as broker:
        url = f"kafka://{broker.start(TOPICS)}"
        with Live("run", "quickstart", "--to", url) as run:
            run.until("quickstart: 10 machines")
            broker.close()
            run.until("nothing listens there; waiting up to 120 s")
            run.press()
            run.press(signal.SIGTERM)  # another one: two of a kind may arrive as one
            ended = run.ended(timeout_s=30)

    strangers = [line for line in ended.lines if not OURS.match(line)]
    assert strangers == []
    assert ended.err.count("nothing listens there") == 1
    assert ended.code == 1
    assert "in doubt" in ended.err or "failed" in ended.err
