"""The distribution of Apicurio Registry, fetched once into ``.cache/`` (``python -m tests.services.apicurio``)."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.services.fetching import fetch
from tests.services.jars import ROOT, java
from tests.services.process import ServiceUnavailable

VERSION = "3.0.9"  # the last one that Java 17 runs
SHA256 = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43"
ARCHIVE = f"apicurio-registry-app-{VERSION}-all.tar.gz"
CACHE = ROOT / ".cache" / f"apicurio-{VERSION}"


def apicurio_jar() -> Path:
    """Return the jar that starts the registry, with its libraries beside it, fetching all when it is missing."""
    unpacked = CACHE / "app"
    runner = unpacked / f"apicurio-registry-app-{VERSION}-runner.jar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if runner.is_file():
            return runner
        fetched = Path(tempfile.mkdtemp(dir=CACHE, prefix="fetching-"))
        try:
            _copy(fetched)
            archive = fetched / ARCHIVE
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if digest != SHA256:
                raise ServiceUnavailable(f"{ARCHIVE}: must have the SHA-256 {SHA256}, got {digest}")
            with tarfile.open(archive) as packed:
                packed.extractall(fetched / "app", filter="data")
            archive.unlink()
            shutil.rmtree(unpacked, ignore_errors=True)
            (fetched / "app").rename(unpacked)  # whole or not at all
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
    return runner


def _copy(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceUnavailable("the registry is fetched by Maven: no mvn on the path")
    artifact = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
    command = [maven, "-B", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    fetch(command, cwd=CACHE, who="Maven", what="the registry")


if __name__ == "__main__":
    try:
        apicurio_jar()
        java()
    except ServiceUnavailable as missing:
        sys.exit(str(missing))
