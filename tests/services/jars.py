"""Jars that a pom names, those of Kafka first, fetched once into ``.cache/`` (``python -m tests.services.jars``)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.services.fetching import fetch
from tests.services.process import ServiceUnavailable

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
KAFKA_VERSION = "4.1.1"
CACHE = ROOT / ".cache" / f"kafka-{KAFKA_VERSION}"


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars, fetching them when they are missing or the pom has changed."""
    return maven_jars(POM, CACHE)


def maven_jars(pom: Path, cache: Path) -> Path:
    """Return the folder in *cache* of what *pom* depends on, fetching it when it is missing or the pom has changed."""
    libs = cache / "libs"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    # The lock is the file's, so it goes with the process that holds it, however that one ends.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_from = cache / "made-from"
        if libs.is_dir() and made_from.is_file() and made_from.read_text() == digest:
            return libs
        fetched = Path(tempfile.mkdtemp(dir=cache, prefix="fetching-"))
        try:
            _copy_dependencies(pom, fetched)
            shutil.rmtree(libs, ignore_errors=True)
            fetched.rename(libs)
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
        made_from.write_text(digest)
    return libs


def java() -> str:
    """Return the Java that runs the services."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if found is None or not Path(found).exists():
        raise ServiceUnavailable("Kafka needs Java 17 or later: no java on the path and no JAVA_HOME")
    return found


def _copy_dependencies(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceUnavailable("jars are fetched by Maven: no mvn on the path")
    command = [
        *(maven, "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"),
        *("-DincludeScope=runtime", f"-DoutputDirectory={folder}"),
    ]
    fetch(command, cwd=folder, who="Maven", what=f"what {pom.relative_to(ROOT)} names")


if __name__ == "__main__":
    try:
        kafka_jars()
        java()
    except ServiceUnavailable as missing:
        sys.exit(str(missing))
