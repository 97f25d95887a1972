"""How the producer is set: acknowledgements, compression, sizes, and options passed on to aiokafka by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from fleet.data import TopicSeen
from fleet.errors import RequestError
from fleet.sinks.codecs import NONE, Codec, codec

BATCH_BYTES = 1000 * 1024
"""Large, because one batch a partition and request is all aiokafka sends, and every batch costs client and broker the
same; just below what Kafka allows by default."""

BATCH_BYTES_MIN = 1024
BATCH_BYTES_MAX = 64 << 20
LANES = 3
LANES_FROM = 100_000
"""Readings a second from which there are so many producers; a request more costs more than a broker that waits."""

ACKS: Mapping[str, int | str] = {"all": "all", "-1": "all", "1": 1}
"""Not 0: without any answer nothing could be accounted for."""

OPTIONS: Mapping[str, int] = {
    "request_timeout_ms": 30_000,
    "retry_backoff_ms": 100,
    "metadata_max_age_ms": 300_000,
    "connections_max_idle_ms": 540_000,
}
"""Options of aiokafka's producer that may be set, with the values they have otherwise: all whole numbers."""


MAX_MESSAGE_BYTES = 1_048_588
"""What Kafka allows where a topic says nothing else."""


REQUEST_BYTES = 64 << 20
"""A request has a batch of every partition, and a broker takes 100 MiB where nobody says otherwise."""

SHARE_BYTES_MIN = 64 * 1024
"""However many partitions there are, of which no more are full at once than a second of readings can fill."""


def max_message_bytes(seen: TopicSeen) -> int:
    """Give the largest batch a topic takes."""
    return int(seen.settings.get("max.message.bytes", MAX_MESSAGE_BYTES))


def batch_bytes(asked: int, topics: Sequence[TopicSeen]) -> int:
    """Choose the size of a full batch: as *asked*, as *topics* take it, and so that a request has room for all."""
    share = max(SHARE_BYTES_MIN, REQUEST_BYTES // max(1, sum(topic.partitions for topic in topics)))
    return min(asked, share, *map(max_message_bytes, topics))


def lanes(readings_per_s: float) -> int:
    """Choose how many producers share the partitions, each with a request in flight to every broker."""
    return LANES if readings_per_s >= LANES_FROM else 1


@dataclass(frozen=True, slots=True)
class ProducerSettings:
    """What ``--acks``, ``--compression``, ``--batch-size`` and ``--set-producer`` say."""

    acks: int | str = "all"
    codec: Codec = NONE
    batch_bytes: int = BATCH_BYTES
    options: Mapping[str, int] = field(default_factory=lambda: dict(OPTIONS))

    @property
    def producer_options(self) -> dict[str, Any]:
        """Give the arguments for aiokafka's producer. Without all acknowledgements nothing can be idempotent."""
        return {"acks": self.acks, "enable_idempotence": self.acks == "all", **self.options}


def producer_settings(
    *, acks: str = "all", compression: str = "none", batch_bytes: int = BATCH_BYTES, options: Sequence[str] = ()
) -> ProducerSettings:
    """Read the settings of a command line; RequestError says what must hold."""
    if acks not in ACKS:
        raise RequestError(
            f"--acks: must be all or 1 (0 asks for no answer, and nothing could be accounted for), got {acks!r}"
        )
    if not BATCH_BYTES_MIN <= batch_bytes <= BATCH_BYTES_MAX:
        raise RequestError(
            f"--batch-size: must be {BATCH_BYTES_MIN} B to {BATCH_BYTES_MAX >> 20} MiB, got {batch_bytes} B"
        )
    chosen = dict(OPTIONS)
    for option in options:
        name, equals, value = option.partition("=")
        if name not in OPTIONS:
            close = get_close_matches(name, OPTIONS, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise RequestError(f"--set-producer: must be one of {', '.join(OPTIONS)}, got {name!r}{meant}")
        if not equals or not value.isdecimal() or int(value) == 0:
            raise RequestError(f"--set-producer: must be {name}=N with a whole number above 0, got {option!r}")
        chosen[name] = int(value)
    return ProducerSettings(ACKS[acks], codec(compression), batch_bytes, chosen)
