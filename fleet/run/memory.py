"""What the C library and Python's collector do with memory: large buffers come and go, a plant stays."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's names for mallopt
KEPT_BYTES = 1 << 30
PAD_BYTES = 64 << 20

GC_ALLOCATIONS = 200_000
"""Allocations between two looks of Python's collector. A large plant is a million objects that live as
long as the run; looking through all of them as often as usual doubles the time a run takes to start."""


def keep_memory() -> None:
    """Let glibc keep freed memory, and Python's collector look less often.

    Batches of megabytes would be mapped, touched and unmapped each time. Where the C library has no ``mallopt`` it
    is left alone.
    """
    gc.set_threshold(GC_ALLOCATIONS, 20, 100)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for name, size in ((_MMAP_THRESHOLD, KEPT_BYTES), (_TRIM_THRESHOLD, KEPT_BYTES), (_TOP_PAD, PAD_BYTES)):
        mallopt(name, size)


def all_set_up() -> None:
    """Tell Python's collector that what there is now stays as long as the run: it need not be looked through again."""
    gc.freeze()
