"""kafka-producer-perf-test, from Kafka's own jars: random values of the same size, no keys, no partitioner to ask."""

from __future__ import annotations

from bench.clients import Client, Job
from bench.peers.settings import JAVA, said
from tests.services.jars import java, kafka_jars

CLASS = "org.apache.kafka.tools.ProducerPerformance"
JVM = ("-Xms512m", "-Xmx512m", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


def command(job: Job) -> list[str]:
    """Give the command; a value is as long as a record's key and value together."""
    properties = {"bootstrap.servers": job.bootstrap, **JAVA}
    return [
        java(), *JVM, "-cp", str(kafka_jars() / "*"), CLASS,
        "--topic", job.topic, "--num-records", str(job.records), "--record-size", str(job.corpus.record_bytes),
        "--throughput", "-1", "--producer-props", *(f"{name}={value}" for name, value in properties.items()),
    ]  # fmt: skip


PERF_TEST = Client("kafka-producer-perf-test", 200_000, 3_000_000, command, f"random values, no key; {said(JAVA)}")
