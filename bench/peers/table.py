"""The peers. To add one, write a file beside this one and a row here."""

from __future__ import annotations

from bench.clients import Client
from bench.peers import aiokafka_send, confluent, java, kcat, native

PEERS: dict[str, Client] = {
    peer.name: peer
    for peer in (
        java.PERF_TEST,
        native.ONE,
        native.BATCH,
        confluent.FASTAVRO,
        confluent.ENCODED,
        confluent.BATCH,
        aiokafka_send.SEND,
        kcat.KCAT,
    )
}
