"""Other languages' Avro libraries, asked what they make of bytes: a JSON object a line in, one a line out.

In: ``writer`` and ``reader`` (schemas; no reader: the writer's), ``body`` (hexadecimal digits). Out: ``value``, plain
as `tests.examples.records.dump` makes it, and ``again``, the bytes that the library writes of it; or ``error``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import fastavro

from fleet.contract.examples import plain
from tests.examples.records import dump

DECODE_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """A body, the schema it was written in, and the one it is to be read in."""

    writer: str
    body: bytes
    reader: str = ""

    @property
    def line(self) -> str:
        return json.dumps({"writer": self.writer, "reader": self.reader, "body": self.body.hex()})

    @property
    def by_fastavro(self) -> Any:
        """What fastavro makes of it."""
        reader = plain(self.reader) if self.reader else None
        return dump(fastavro.schemaless_reader(BytesIO(self.body), plain(self.writer), reader))


def decoded(command: Sequence[object], questions: Sequence[Asked]) -> list[dict[str, Any]]:
    """Ask the library that *command* starts."""
    done = subprocess.run(
        [str(word) for word in command], input="".join(f"{asked.line}\n" for asked in questions), capture_output=True,
        encoding="utf-8", timeout=DECODE_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers
