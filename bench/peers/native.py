"""librdkafka from C: `produce.c`, built where there are a compiler and librdkafka's header.

Linked with the librdkafka in confluent-kafka's wheel, which is newer than distributions', or else the system's.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench.clients import Client, Job
from bench.peers.settings import LIBRDKAFKA, said
from bench.running import ROOT, Unmeasured

SOURCE = Path(__file__).with_name("produce.c")
BUILD_TIMEOUT_S = 60.0
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra")


@functools.cache
def built() -> Path:
    """Compile the program into ``.cache``; Unmeasured where that is not possible."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unmeasured("no C compiler")
    program = ROOT / ".cache" / "bench-produce"
    program.parent.mkdir(exist_ok=True)
    complaint = ""
    for library in (*_wheel(), "-lrdkafka"):
        link = [library, f"-Wl,-rpath,{Path(library).parent}"] if library.startswith("/") else [library]
        command = [compiler, *FLAGS, str(SOURCE), "-o", str(program), *link]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
        if done.returncode == 0:
            return program
        complaint = done.stderr
    raise Unmeasured(f"produce.c cannot be built (is librdkafka's header there?):\n{complaint[-500:]}")


@functools.cache
def version() -> str:
    """Name the librdkafka that the program runs with."""
    try:
        listed = subprocess.run(["ldd", str(built())], capture_output=True, text=True, timeout=10, check=True).stdout
    except (Unmeasured, OSError, subprocess.SubprocessError):
        return "none"
    line = next((line.strip() for line in listed.splitlines() if "librdkafka" in line), "?")
    if "confluent_kafka" not in line:
        return f"the system's {line.split()[0]}"
    from confluent_kafka import libversion

    return f"{libversion()[0]} of confluent-kafka's wheel"


def _wheel() -> list[str]:
    found = importlib.util.find_spec("confluent_kafka")
    if found is None or found.origin is None:
        return []
    return [str(path) for path in Path(found.origin).parents[1].glob("confluent_kafka.libs/librdkafka*.so*")]


def _command(how: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        settings = {"bootstrap.servers": job.bootstrap, **LIBRDKAFKA}
        arguments = (how, job.topic, str(job.records), str(job.corpus.records))
        return [str(built()), *arguments, *(f"{name}={value}" for name, value in settings.items())]

    return command


ONE = Client("librdkafka in C, produce", 100_000, 3_100_000, _command("one"), f"pre-encoded; {said(LIBRDKAFKA)}")
BATCH = Client(
    "librdkafka in C, produce_batch", 100_000, 4_100_000, _command("batch"), f"pre-encoded; {said(LIBRDKAFKA)}"
)
