"""Keep aiokafka's log lines from people: what they tell is told by exceptions, by deliveries, or in our own words.

While a broker is away it logs every attempt to reach it, ten times a second and in three ways. `fleet.run.answers` and
`fleet.sinks.fetch` say the same in one line. What remains are tracebacks of its own mistakes, each now and then.
"""

from __future__ import annotations

import logging
from time import monotonic

SAME_EVERY_S = 60.0
REMEMBERED = 256  # different messages

LOG = logging.getLogger("fleet.kafka")
"""For those who have no other way to a person; without a configuration Python writes its warnings to standard error."""


class Sparingly(logging.Filter):
    """Lets through only records with a traceback, and the same one once in `SAME_EVERY_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether *record* is to be logged."""
        if not record.exc_info:
            return False
        what, now = (record.name, str(record.msg)), monotonic()
        if now - self._seen.get(what, -SAME_EVERY_S) < SAME_EVERY_S:
            return False
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[what] = now
        return True


_SPARINGLY = Sparingly()


def log_sparingly() -> None:
    """Limit all loggers of aiokafka there are; a filter on a parent would not see its children's records."""
    for name in list(logging.root.manager.loggerDict):
        if name == "aiokafka" or name.startswith("aiokafka."):
            logging.getLogger(name).addFilter(_SPARINGLY)  # adding it twice does nothing
