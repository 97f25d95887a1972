"""Small text files of a user's own, read whole."""

from __future__ import annotations

from pathlib import Path

from fleet.errors import RequestError


def read_text(path: Path, *, bytes_max: int) -> str:
    """Read a UTF-8 text of at most *bytes_max*; RequestError says why it cannot be."""
    try:
        data = path.read_bytes()
        text = data.decode()
    except OSError as error:
        raise RequestError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: must be UTF-8 text") from error
    if len(data) > bytes_max:
        raise RequestError(f"{path}: must be at most {bytes_max} bytes, got {len(data)}")
    return text
