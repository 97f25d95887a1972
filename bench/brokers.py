"""Where clients send to: the discard server, or a real Kafka on this machine."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench.running import ROOT, Unmeasured, process_cpu_s
from tests.services.kafka import KafkaCluster
from tests.services.process import ServiceProcess, ServiceUnavailable, free_ports

HOST = "127.0.0.1"
PARTITIONS = 12
READY_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 20.0
POLL_S = 0.02

TOPIC = {  # the scenario's stamps are of its own time
    "retention.ms": "-1",
    "message.timestamp.before.max.ms": str((1 << 63) - 1),
    "message.timestamp.after.max.ms": str((1 << 63) - 1),
}
KAFKA = {"log.segment.delete.delay.ms": "1000"}  # what was measured makes room for the next
# The tests' cluster is tuned to start quickly. This one runs as kafka-server-start.sh would run it; the variable is
# the one that goes in front of options on the command line.
KAFKA_JVM = (
    "-XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC -XX:MaxGCPauseMillis=20 "
    "-XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Xms1g -Xmx1g"
)


class Broker(Protocol):
    """Takes records; knows how much CPU that took it."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def bootstrap(self) -> str:
        """``host:port``."""

    def cpu_s(self) -> float:
        """Give the CPU time it has taken so far."""

    def topic(self) -> contextlib.AbstractContextManager[str]:
        """Make a topic that nobody has used; it is gone afterwards."""


@dataclass(slots=True)
class DiscardBroker:
    """The discard server, in a process of its own."""

    process: ServiceProcess
    bootstrap: str
    log: Path
    name: str = "discard server"

    def cpu_s(self) -> float:
        """Give the CPU time it has taken so far."""
        return process_cpu_s(self.process.pid)

    @contextlib.contextmanager
    def topic(self) -> Iterator[str]:
        """Name a topic; all there are exist."""
        yield _fresh_topic()

    def counts(self) -> dict[str, Any]:
        """End it, and give what it counted."""
        self.process.stop()
        counts: dict[str, Any] = json.loads(self.log.read_text().splitlines()[-1])
        return counts


@contextlib.contextmanager
def discard(partitions: int = PARTITIONS) -> Iterator[DiscardBroker]:
    """Run a discard server; Unmeasured if it found a batch damaged or out of sequence."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        log = Path(folder) / "discard.log"
        command = [sys.executable, "-m", "bench.discard", "--port", str(port), "--partitions", str(partitions)]
        process = ServiceProcess(command, log=log, environment={"PYTHONPATH": str(ROOT)})
        broker = DiscardBroker(process, f"{HOST}:{port}", log)
        try:
            _await_port(port, process)
            yield broker
            faults = broker.counts()["faults"]
            if any(faults.values()):
                raise Unmeasured(f"the discard server refused batches: {faults}")
        finally:
            process.stop()


@dataclass(slots=True)
class RealKafka:
    """An Apache Kafka of one broker."""

    cluster: KafkaCluster
    name: str = "Kafka"

    @property
    def bootstrap(self) -> str:
        """``host:port``."""
        return self.cluster.bootstrap

    def cpu_s(self) -> float:
        """Give the CPU time it has taken so far."""
        return process_cpu_s(self.cluster.broker_pid(1))

    @contextlib.contextmanager
    def topic(self) -> Iterator[str]:
        """Make a topic, and delete it."""
        name, admin = _fresh_topic(), AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(name, PARTITIONS, 1, config=TOPIC)])[name].result(ANSWER_TIMEOUT_S)
        try:
            yield name
        finally:
            admin.delete_topics([name])[name].result(ANSWER_TIMEOUT_S)


@contextlib.contextmanager
def kafka(properties: Mapping[str, str] | None = None) -> Iterator[RealKafka]:
    """Run a Kafka; Unmeasured where it cannot start."""
    cluster = KafkaCluster(properties=KAFKA | dict(properties or {}))
    before = os.environ.get("_JAVA_OPTIONS")
    os.environ["_JAVA_OPTIONS"] = KAFKA_JVM
    try:
        cluster.start()
    except ServiceUnavailable as unavailable:
        raise Unmeasured(str(unavailable)) from unavailable
    finally:
        os.environ.pop("_JAVA_OPTIONS")
        if before is not None:
            os.environ["_JAVA_OPTIONS"] = before
    with cluster_closed(cluster):
        yield RealKafka(cluster)


@contextlib.contextmanager
def cluster_closed(cluster: KafkaCluster) -> Iterator[None]:
    """Close a *cluster* that has started, whatever happens."""
    try:
        yield
    finally:
        cluster.close()


@contextlib.contextmanager
def far_kafka(delay_ms: float) -> Iterator[RealKafka]:
    """Run a Kafka whose clients all go through a proxy that holds everything back by *delay_ms* each way."""
    (port,) = free_ports(1)
    with kafka({"advertised.listeners": f"PLAIN://{HOST}:{port}"}) as near, tempfile.TemporaryDirectory() as folder:
        to = near.bootstrap.rpartition(":")[2]
        command = [sys.executable, "-m", "bench.proxy", "--port", str(port), "--to", to, "--delay-ms", str(delay_ms)]
        proxy = ServiceProcess(command, log=Path(folder) / "proxy.log", environment={"PYTHONPATH": str(ROOT)})
        try:
            _await_port(port, proxy)
            yield RealKafka(near.cluster, name=f"Kafka {2 * delay_ms:.0f} ms away")
        finally:
            proxy.stop()


def arrived(broker: Broker, topic: str) -> int:
    """Count the records in a *topic* by its end offsets."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "bench", "log_level": 0})
    try:
        ends = [
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_TIMEOUT_S)[1]
            for number in range(PARTITIONS)
        ]
    finally:
        consumer.close()
    return sum(ends)


_numbers = itertools.count(1)


def _fresh_topic() -> str:
    return f"bench-{os.getpid()}-{next(_numbers)}"


def _await_port(port: int, process: ServiceProcess) -> None:
    until = time.monotonic() + READY_TIMEOUT_S
    while process.running() and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return
        time.sleep(POLL_S)
    raise Unmeasured(f"a server of the bench did not start:\n{process.log_tail()}")
