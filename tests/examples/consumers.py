"""What every consumer of examples/ must do, as a process that its environment tells where to read.

A consumer stops after RECORDS records, read or not; without that when it is interrupted, and prints the same last line.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.commands import Ended
from tests.examples.readings import RECORDS, ReadingsLog

READ_TIMEOUT_S = 120
INTERRUPTED = 130  # what a JVM ends with, whatever its program does
LAST_LINE = re.compile(r"records=(\d+) digest=([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Consumer:
    """How one is started, and the beginning of its groups' names."""

    command: Sequence[object]
    name: str
    cwd: Path | None = None

    def popen(self, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start it in a process group of its own, so that what it starts is interrupted with it."""
        return subprocess.Popen(
            [str(word) for word in self.command], cwd=self.cwd, env={**os.environ, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip


def consume(consumer: Consumer, environment: Mapping[str, str]) -> Ended:
    """Run a consumer to its end."""
    with consumer.popen(environment) as process:
        try:
            out, err = process.communicate(timeout=READ_TIMEOUT_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Ended(process.returncode, out, err)


def told(ended: Ended) -> tuple[int, int]:
    """Give the records and the digest of the last line of one that ended well."""
    assert ended.code in {0, INTERRUPTED}, ended.err
    found = LAST_LINE.fullmatch(ended.out.splitlines()[-1])
    assert found, ended.out[-200:]
    return int(found[1]), int(found[2], 16)


def assert_reads_all(consumer: Consumer, readings: ReadingsLog) -> None:
    """See that a consumer prints every reading of all versions, and the digest of all."""
    ended = consume(consumer, readings.environment(consumer.name))

    assert ended.code == 0, ended.err
    *lines, last = ended.out.splitlines()
    assert last == readings.last_line, ended.err
    assert len(lines) == RECORDS
    assert all(line.startswith("packing-") for line in lines)


def assert_goes_on_where_it_was_interrupted(consumer: Consumer, readings: ReadingsLog) -> None:
    """See that an interrupted consumer says what it read, and that the next one of its group reads the rest."""
    environment = readings.environment(consumer.name)
    with consumer.popen({**environment, "RECORDS": ""}) as process:
        assert process.stdout is not None
        head = process.stdout.readline()  # it reads, and is somewhere in the middle or at the end
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=READ_TIMEOUT_S)
    first = told(Ended(process.returncode, head + out, err))

    left = RECORDS - first[0]
    second = told(consume(consumer, {**environment, "RECORDS": str(left)})) if left else (0, 0)

    assert first[0] + second[0] == RECORDS
    assert (first[1] + second[1]) % 2**64 == int(readings.digest, 16)


def assert_tells_what_it_cannot_read(consumer: Consumer, poisoned: ReadingsLog) -> None:
    """See that records that cannot be read are told with their places and a reason, counted, and stop nothing."""
    ended = consume(consumer, poisoned.environment(consumer.name))

    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == poisoned.last_line, ended.err
    places = re.findall(r"^partition (\d+), offset (\d+): .+", ended.err, re.MULTILINE)
    assert len(set(places)) == poisoned.unreadable
    assert f"unreadable={poisoned.unreadable}" in ended.err


def assert_waits_for_a_topic(consumer: Consumer, readings: ReadingsLog) -> None:
    """See that a consumer whose topic is not there says so, waits, and ends well when it is interrupted."""
    with consumer.popen({**readings.environment(consumer.name), "TOPIC": "nobody-made-it"}) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=READ_TIMEOUT_S)

    assert "nobody-made-it" in said
    assert told(Ended(process.returncode, out, said + err)) == (0, 0)


def assert_says_what_is_not_there(consumer: Consumer, readings: ReadingsLog) -> None:
    """See that without Kafka, or without the registry, a consumer ends with exit code 1 and says where it looked."""
    nowhere = "127.0.0.1:1"
    for missing in ({"KAFKA_BOOTSTRAP": nowhere}, {"SCHEMA_REGISTRY": f"http://{nowhere}"}):
        ended = consume(consumer, {**readings.environment(consumer.name), **missing})

        assert ended.code == 1
        assert nowhere in ended.err
        assert ended.out == ""
