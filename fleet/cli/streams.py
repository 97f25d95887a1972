"""The three standard streams, also where whoever started us has closed some of them (``>&-``).

Then the next file or socket that is opened would get the number of the missing one, and what is meant for people would
be written into it.
"""

from __future__ import annotations

import os
import sys

# Standard output is opened so that writing to it fails: who asks for data and closes its way out should hear of it.
FLAGS = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)


def fill_gaps() -> None:
    """See that numbers 0, 1 and 2 are taken and that Python has a stream for each."""
    for descriptor, flags in enumerate(FLAGS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest number that is free, which is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
