"""Programs of the tree in Java, compiled into ``.cache/`` (``python -m tests.services.javac`` compiles all)."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.jars import ROOT, java, maven_jars
from tests.services.process import ServiceUnavailable, tail

CACHE = ROOT / ".cache" / "example-java"
POM = ROOT / "examples/java/pom.xml"
COMPILE_TIMEOUT_S = 120
PROGRAMS = (ROOT / "examples/java/Consumer.java", ROOT / "tests/examples/decode/Decode.java")
# Quick to start rather than quick when warm.
JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def java_program(source: Path) -> list[str]:
    """Return the command that runs *source*, compiled if it has changed; its jars are fetched if they are missing."""
    assert source in PROGRAMS, "what make builds ahead is what tests use"
    libs = maven_jars(POM, CACHE)
    digest = hashlib.sha256(source.read_bytes() + POM.read_bytes()).hexdigest()
    classes = CACHE / f"{source.stem}-{digest[:16]}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not classes.is_dir():
            for old in CACHE.glob(f"{source.stem}-*"):
                shutil.rmtree(old)
            _compile(source, libs, CACHE / "compiling")
            (CACHE / "compiling").rename(classes)  # whole or not at all
    return [java(), *JVM, "-cp", f"{classes}:{libs / '*'}", source.stem]


def _compile(source: Path, libs: Path, classes: Path) -> None:
    compiler = Path(java()).with_name("javac")
    found = str(compiler) if compiler.is_file() else shutil.which("javac")
    if found is None:
        raise ServiceUnavailable("programs in Java are compiled by a JDK of 17 or later: no javac on the path")
    shutil.rmtree(classes, ignore_errors=True)
    done = subprocess.run(
        [found, "-encoding", "UTF-8", "-cp", str(libs / "*"), "-d", str(classes), str(source)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ServiceUnavailable(f"javac cannot compile {source.relative_to(ROOT)}:\n{tail(done.stdout + done.stderr)}")


if __name__ == "__main__":
    try:
        for each in PROGRAMS:
            java_program(each)
    except ServiceUnavailable as missing:
        sys.exit(str(missing))
