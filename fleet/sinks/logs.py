"""Keep aiokafka's loggers from saying the same thing at every back-off."""

from __future__ import annotations

import logging
from time import monotonic

SAME_EVERY_S = 10.0
REMEMBERED = 256  # different messages


class Sparingly(logging.Filter):
    """Lets the same message of a logger through once in `SAME_EVERY_S`; counts what it held back."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether *record* is to be logged; the message may get a count."""
        what, now = (record.name, str(record.msg)), monotonic()
        last, held = self._seen.get(what, (-SAME_EVERY_S, 0))
        if now - last < SAME_EVERY_S:
            self._seen[what] = last, held + 1
            return False
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[what] = now, 0
        if held:
            record.msg = f"{record.msg} (and {held} times more)"
        return True


_SPARINGLY = Sparingly()


def log_sparingly() -> None:
    """Limit all loggers of aiokafka there are; a filter on a parent would not see its children's records."""
    for name in list(logging.root.manager.loggerDict):
        if name == "aiokafka" or name.startswith("aiokafka."):
            logging.getLogger(name).addFilter(_SPARINGLY)  # adding it twice does nothing
