"""fleet as its users run it: ``fleet run bench/plant.yaml``, through the command line only."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from typing import Any

from bench import plant
from bench.clients import Client, Job
from bench.running import ROOT, Ran, Unmeasured

CODECS = ("lz4", "zstd")
CODEC_LEVEL = 1
FLEET = (sys.executable, "-m", "fleet")


def client(machines: int = 1_000, *, codec: str = "none", form: str = "avro", few: int, many: int) -> Client:
    """Make fleet a client that sends *few* and *many* readings of the plant at a size, in whole seconds of it."""

    def command(job: Job) -> list[str]:
        seconds = math.ceil(job.records / (plant.readings_per_machine_s() * machines)) + 1  # the first is not whole
        return run_command(
            machines, f"kafka://{job.bootstrap}", "--topic", job.topic, "--speed", "max", "--for", f"{seconds}s",
            *compression(codec), *(() if form == "avro" else ("--format", form)),
        )  # fmt: skip

    said = [form, *([] if codec == "none" else [f"{codec} level {CODEC_LEVEL}"])]
    name = f"fleet, {', '.join(said)}" + ("" if machines == 1_000 else f", {machines:,} machines")
    return Client(name, few, many, command, "physics, keys and encoding included; its own defaults")


def run_command(machines: int, to: str, *options: str) -> list[str]:
    """Give the command that runs the plant at a size."""
    settings = [word for setting in plant.settings(machines) for word in ("--set", setting)]
    return [*FLEET, "run", str(plant.FILE), *settings, "--to", to, *options, "--json"]


def compression(codec: str) -> tuple[str, ...]:
    """Give the options that choose a *codec*; Unmeasured where fleet does not know them yet."""
    if codec == "none":
        return ()
    if "--compression" not in run_help():
        raise Unmeasured("fleet run has no --compression")
    return ("--compression", f"{codec}:{CODEC_LEVEL}")


@functools.cache
def run_help() -> str:
    """Read ``fleet run --help``."""
    done = subprocess.run([*FLEET, "run", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def report(ran: Ran) -> dict[str, Any]:
    """Read the report that ``--json`` prints."""
    try:
        fields: dict[str, Any] = json.loads(ran.printed.splitlines()[-1])
    except (IndexError, ValueError):
        raise Unmeasured("fleet printed no report") from None
    return fields
