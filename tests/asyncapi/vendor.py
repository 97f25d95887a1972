"""AsyncAPI's React component as fleet ships it, made again from npm: ``make asyncapi-component``."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

from fleet.describe import page
from tests.services.node import locked_version, packages

HERE = Path(__file__).parent
PACKAGE = "@asyncapi/react-component"
SHIPPED = Path(page.__file__).parent / page.FOLDER
ORIGIN = SHIPPED / "origin.json"
SOURCES = {
    "script": "browser/standalone/index.js",
    "style": "styles/default.min.css",
    "LICENSE": "LICENSE",
    "THIRD-PARTY.txt": "browser/standalone/index.js.LICENSE.txt",
}
"""Where in the package lies what is shipped."""


def component() -> Path:
    """Return the package, fetched by npm when it is missing; ServiceUnavailable where it cannot be."""
    return packages(HERE) / PACKAGE


def digest(content: bytes) -> str:
    """Give the SHA-256 of *content*."""
    return hashlib.sha256(content).hexdigest()


def origin_of(folder: Path) -> dict[str, str]:
    """Say of the package in *folder* what `ORIGIN` says of what is shipped."""
    found = {f"{what} sha256": digest((folder / SOURCES[what]).read_bytes()) for what in ("script", "style")}
    return {"package": PACKAGE, "version": locked_version(HERE, PACKAGE), **found}


def main() -> None:
    """Put the component into fleet."""
    folder = component()
    SHIPPED.mkdir(exist_ok=True)
    (SHIPPED / page.SCRIPT).write_bytes(gzip.compress((folder / SOURCES["script"]).read_bytes(), 9, mtime=0))
    (SHIPPED / page.STYLE).write_bytes((folder / SOURCES["style"]).read_bytes())
    for name in ("LICENSE", "THIRD-PARTY.txt"):
        shutil.copy(folder / SOURCES[name], SHIPPED / name)
    ORIGIN.write_text(json.dumps(origin_of(folder), indent=2) + "\n")


if __name__ == "__main__":
    main()
