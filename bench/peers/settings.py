"""Settings of the peers: idempotent, acks=all, and as large as is good for them."""

from __future__ import annotations

LINGER_MS = 10
BATCH_BYTES = 1_000_000  # a topic's max.message.bytes is a little more
BUFFER_BYTES = 256 << 20

LIBRDKAFKA = {
    "enable.idempotence": "true",
    "acks": "all",
    "linger.ms": str(LINGER_MS),
    "batch.size": str(BATCH_BYTES),
    "batch.num.messages": "1000000",
    "queue.buffering.max.messages": "1000000",
    "queue.buffering.max.kbytes": str(BUFFER_BYTES >> 10),
    "compression.codec": "none",
}
JAVA = {
    "enable.idempotence": "true",
    "acks": "all",
    "linger.ms": str(LINGER_MS),
    "batch.size": str(BATCH_BYTES),
    "buffer.memory": str(BUFFER_BYTES),
    "max.request.size": str(16 << 20),
    "compression.type": "none",
}


def said(settings: dict[str, str]) -> str:
    """Write *settings* for people."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())
