"""End the services that the tests started when the tests die without ending them.

Reads lines: ``+`` or ``-``, then the number of a process group or the path of a folder. When its
standard input ends, which the kernel sees to however the writer dies, it kills the groups and
removes the folders that are still on the list. Run as a file of its own with the standard library
only: it must start in no time and know nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    """Keep the list until standard input ends, then kill what is left on it."""
    left: set[str] = set()
    for line in sys.stdin:
        sign, what = line[0], line[1:].rstrip("\n")
        if sign == "+":
            left.add(what)
        else:
            left.discard(what)
    groups = {what for what in left if what.isdecimal()}
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(group), signal.SIGKILL)
    for folder in left - groups:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
