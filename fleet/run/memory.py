"""What the C library does with memory: large buffers come and go all the time here."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's names for mallopt
KEPT_BYTES = 1 << 30
PAD_BYTES = 64 << 20


def keep_memory() -> None:
    """Let glibc keep freed memory: batches of megabytes would be mapped, touched and unmapped each time.

    Does nothing where the C library has no ``mallopt``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for name, size in ((_MMAP_THRESHOLD, KEPT_BYTES), (_TRIM_THRESHOLD, KEPT_BYTES), (_TOP_PAD, PAD_BYTES)):
        mallopt(name, size)
