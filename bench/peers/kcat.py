"""kcat, reading lines from a file: key, tab, value, as long as fleet's but text, since Avro holds any byte."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from bench.clients import Client, Job
from bench.peers.settings import LIBRDKAFKA, said
from bench.running import Unmeasured


def command(job: Job) -> list[str]:
    """Give the command; the file with so many lines is written before."""
    kcat = shutil.which("kcat")
    if kcat is None:
        raise Unmeasured("kcat is not installed")
    options = [word for name, value in LIBRDKAFKA.items() for word in ("-X", f"{name}={value}")]
    return [
        kcat, "-P", "-b", job.bootstrap, "-t", job.topic, "-K", "\t", *options,
        "-l", str(lines(job.corpus.lines, job.records)),
    ]  # fmt: skip


def lines(path: Path, count: int) -> Path:
    """Write *count* lines of the file *path*, over and over, beside it."""
    made = path.with_name(f"lines-{count}")
    if not made.exists():
        text = path.read_bytes().splitlines(keepends=True)
        with made.open("wb") as out:
            out.writelines(itertools.islice(itertools.cycle(text), count))
    return made


KCAT = Client("kcat from a file", 50_000, 1_050_000, command, f"text of the same lengths; {said(LIBRDKAFKA)}")
