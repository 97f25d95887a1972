"""Files of descriptions, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fleet.errors import RequestError


def write_pieces(file: Path, pieces: Iterable[str]) -> None:
    """Write *pieces* to *file*, whole or not at all, and make its folder; RequestError where that cannot be."""
    try:
        if not file.parent.exists():
            file.parent.mkdir(parents=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise _refused(file, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.writelines(pieces)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except OSError as error:
        raise _refused(file, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _refused(file: Path, error: OSError) -> RequestError:
    return RequestError(f"--out {file}: cannot be written: {error.strerror}")
