"""A real Apache Kafka on this machine: ``python -m tests.services.kafka`` or, in tests, KafkaCluster.

Every broker listens on free ports of 127.0.0.1. A secure cluster has three listeners, a plain one
for the tests' own errands, one that asks for a client certificate, and one with SCRAM-SHA-512 over
TLS, and an authorizer that knows three names: ``fleet`` (the certificate) and ``admin`` may do
everything, ``limited`` may describe and write one topic.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.services.certificates import CLIENT_NAME, Certificates, make_certificates
from tests.services.jars import java, kafka_jars
from tests.services.process import WATCHDOG, ServiceProcess, ServiceUnavailable, free_ports, tail

HOST = "127.0.0.1"
FORMAT_TIMEOUT_S = 60.0
START_TIMEOUT_S = 90.0
START_TRIES = 2  # somebody else may take a port between our look and Kafka's
TOOL_TIMEOUT_S = 60.0
ADMIN_TIMEOUT_S = 20.0
POLL_S = 0.1
BROKERS_MAX = 3
CONTROLLER = 100  # the node id of the controller beside several brokers

ADMIN = ("admin", "admin-secret")
LIMITED = ("limited", "limited-secret")
LIMITED_TOPIC = "limited.readings"

# Quick to start rather than quick when warm, and small: four of these share two cores.
JVM: Final = (
    *("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"),
    *("-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"),
)
TOOL_JVM: Final = (
    *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)


class Kafka(Protocol):
    """What a test may ask of any Kafka, ours or one that was there."""

    @property
    def bootstrap(self) -> str:
        """``host:port,...`` of the plain listener."""

    def tool(self, main_class: str, *arguments: str, timeout_s: float = TOOL_TIMEOUT_S, text: str = "") -> str:
        """Run one of Kafka's own command line tools and return what it prints."""


class ExistingKafka:
    """The broker that FLEET_TEST_BOOTSTRAP names."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def tool(self, main_class: str, *arguments: str, timeout_s: float = TOOL_TIMEOUT_S, text: str = "") -> str:
        """Run one of Kafka's own command line tools and return what it prints."""
        return run_tool(main_class, *arguments, timeout_s=timeout_s, text=text)


class KafkaCluster:
    """One broker that is its own controller, or three beside a controller.

    *properties* go into every node's file and win over ours. Numbers of brokers start at 1.
    """

    def __init__(self, *, brokers: int = 1, secure: bool = False, properties: Mapping[str, str] | None = None) -> None:
        assert 1 <= brokers <= BROKERS_MAX
        self._brokers = brokers
        self._secure = secure
        self._extra = dict(properties or {})
        self._home: Path | None = None
        self._ports: dict[int, list[int]] = {}
        self._running: dict[int, ServiceProcess] = {}
        self._libs = Path()
        self.keep_logs = False  # set it when a test has failed: close() then says where they are
        self.certificates: Certificates | None = None

    def __enter__(self) -> KafkaCluster:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            self.keep_logs = True
        self.close()

    # ------------------------------------------------------------ where

    @property
    def bootstrap(self) -> str:
        """``host:port,...`` of the plain listener; in a secure cluster it may do everything."""
        return self._listener(0)

    @property
    def tls_bootstrap(self) -> str:
        """``host:port,...`` of the listener that asks for a client certificate."""
        assert self._secure
        return self._listener(1)

    @property
    def sasl_bootstrap(self) -> str:
        """``host:port,...`` of the listener with SCRAM-SHA-512 over TLS."""
        assert self._secure
        return self._listener(2)

    @property
    def logs(self) -> Path:
        """The folder of the nodes' logs; stays after close() when *keep_logs* is set."""
        assert self._home is not None
        return self._home / "logs"

    def broker_bootstrap(self, broker: int) -> str:
        """Return ``host:port`` of one broker's plain listener."""
        return f"{HOST}:{self._ports[broker][0]}"

    def broker_pid(self, broker: int) -> int:
        """Return the process id of a broker."""
        return self._running[broker].pid

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Format and start all nodes, make the secure cluster's users and rules; raise ServiceUnavailable."""
        assert self._home is None, "a cluster starts once"
        self._libs = kafka_jars()
        java()
        for attempt in range(1, START_TRIES + 1):
            self._home = Path(tempfile.mkdtemp(prefix="fleet-kafka-"))
            WATCHDOG.watch(self._home)
            try:
                self._start_once(self._home)
                return
            except ServiceUnavailable as unavailable:
                if attempt == START_TRIES:
                    self._kill_all()
                    raise ServiceUnavailable(f"{unavailable}\nlogs: {self._keep_logs()}") from unavailable
                self.close()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End every node and remove what it stored; tell where the logs are if they are to stay."""
        self._kill_all()
        if self._home is None:
            return
        if self.keep_logs:
            sys.stderr.write(f"Kafka's logs: {self._keep_logs()}\n")
        else:
            shutil.rmtree(self._home, ignore_errors=True)
            WATCHDOG.forget(self._home)

    def stop(self, broker: int = 1) -> None:
        """Shut a broker down in good order."""
        self._running.pop(broker).stop()

    def kill(self, broker: int = 1) -> None:
        """End a broker as a power cut would."""
        self._running.pop(broker).kill()

    def resume_stopped(self, broker: int = 1) -> None:
        """Start a broker again that was stopped or killed, on the same ports, and wait for its answer."""
        self._launch(broker)
        self._await_brokers([broker], time.monotonic() + START_TIMEOUT_S)

    def restart(self, broker: int = 1) -> None:
        """Stop a broker in good order and start it again."""
        self.stop(broker)
        self.resume_stopped(broker)

    def pause(self, broker: int = 1) -> None:
        """Freeze a broker: its connections stay open, nothing answers."""
        self._running[broker].pause()

    def resume(self, broker: int = 1) -> None:
        """Let a paused broker go on."""
        self._running[broker].resume()

    @contextlib.contextmanager
    def paused(self, broker: int = 1) -> Iterator[None]:
        """Freeze a broker for the length of a ``with`` block."""
        self.pause(broker)
        try:
            yield
        finally:
            self.resume(broker)

    def tool(self, main_class: str, *arguments: str, timeout_s: float = TOOL_TIMEOUT_S, text: str = "") -> str:
        """Run one of Kafka's own command line tools and return what it prints."""
        return run_tool(main_class, *arguments, timeout_s=timeout_s, text=text)

    # ------------------------------------------------------------ one start

    def _start_once(self, home: Path) -> None:
        for folder in ("logs", "data", "etc"):
            (home / folder).mkdir()
        per_broker = 3 if self._secure else 1
        ports = free_ports(self._brokers * per_broker + 1)
        controller_port = ports.pop()
        self._ports = {
            broker: ports[(broker - 1) * per_broker : broker * per_broker] for broker in range(1, self._brokers + 1)
        }
        if self._secure:
            self.certificates = make_certificates(home / "etc")
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        nodes = [1] if self._brokers == 1 else [CONTROLLER, *self._ports]
        for node in nodes:
            self._write_properties(home, node, controller_port)
        self._format(home, nodes, cluster_id)
        for node in nodes:
            self._launch(node)
        self._await_brokers(list(self._ports), time.monotonic() + START_TIMEOUT_S)
        if self._secure:
            self._make_rules()

    def _write_properties(self, home: Path, node: int, controller_port: int) -> None:
        alone = self._brokers == 1
        copies = str(self._brokers)
        values = {
            "node.id": str(node),
            "process.roles": "broker,controller" if alone else ("controller" if node == CONTROLLER else "broker"),
            "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(home / "data" / str(node)),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1" if alone else "2",
            "transaction.state.log.num.partitions": "4",
            "default.replication.factor": copies,
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker may not register again before its old session has run out.
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000",
            # A test that misspells a topic should hear of it.
            "auto.create.topics.enable": "false",
            **self._listener_properties(node, controller_port),
            **(self._secure_properties() if self._secure else {}),
            **self._extra,
        }
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        (home / "etc" / f"{node}.properties").write_text(text)

    def _listener_properties(self, node: int, controller_port: int) -> dict[str, str]:
        protocols = {"CONTROLLER": "PLAINTEXT", "PLAIN": "PLAINTEXT", "TLS": "SSL", "SCRAM": "SASL_SSL"}
        listeners = {}
        if node == CONTROLLER or self._brokers == 1:
            listeners["CONTROLLER"] = controller_port
        listeners |= dict(zip(("PLAIN", "TLS", "SCRAM"), self._ports.get(node, []), strict=False))
        made = {
            "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{value}" for name, value in protocols.items()),
        }
        return made if node == CONTROLLER else made | {"inter.broker.listener.name": "PLAIN"}

    def _secure_properties(self) -> dict[str, str]:
        assert self.certificates is not None
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The plain listener and the nodes among themselves are ANONYMOUS.
            "super.users": f"User:ANONYMOUS;User:{ADMIN[0]};User:{CLIENT_NAME}",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificates.server_store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.certificates.ca),
            "listener.name.tls.ssl.client.auth": "required",
            "listener.name.tls.ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": module,
        }

    def _format(self, home: Path, nodes: list[int], cluster_id: str) -> None:
        users = []
        if self._secure:
            for name, password in (ADMIN, LIMITED):
                users += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        for node in nodes:
            first = node == nodes[0]
            arguments = ["--standalone", *users] if first else ["--no-initial-controllers"]
            run_tool(
                "kafka.tools.StorageTool",
                *("format", f"--cluster-id={cluster_id}", "-c", str(home / "etc" / f"{node}.properties"), *arguments),
                timeout_s=FORMAT_TIMEOUT_S,
            )

    def _launch(self, node: int) -> None:
        assert node not in self._running, f"node {node} runs already"
        assert self._home is not None
        classpath = str(self._libs / "*")
        properties = str(self._home / "etc" / f"{node}.properties")
        self._running[node] = ServiceProcess(
            [java(), *JVM, "-cp", classpath, "kafka.Kafka", properties],
            log=self._home / "logs" / f"node-{node}.log",
        )

    def _await_brokers(self, brokers: list[int], deadline: float) -> None:
        """Wait until each of *brokers* answers and knows that it is part of the cluster."""
        for broker in brokers:
            while not _answers(self.broker_bootstrap(broker), broker):
                for node, process in self._running.items():
                    if not process.running():
                        raise ServiceUnavailable(f"Kafka's node {node} ended:\n{process.log_tail()}")
                if time.monotonic() > deadline:
                    raise ServiceUnavailable(
                        f"Kafka's broker {broker} gave no answer within {START_TIMEOUT_S:.0f} s:\n"
                        f"{self._running[broker].log_tail()}"
                    )
                time.sleep(POLL_S)

    def _make_rules(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        rules = [
            AclBinding(
                ResourceType.TOPIC,
                LIMITED_TOPIC,
                ResourcePatternType.LITERAL,
                f"User:{LIMITED[0]}",
                "*",
                operation,
                AclPermissionType.ALLOW,
            )
            for operation in (AclOperation.DESCRIBE, AclOperation.WRITE)
        ]
        done = [
            *admin.create_topics([NewTopic(LIMITED_TOPIC, 3, self._brokers)]).values(),
            *admin.create_acls(rules).values(),
        ]
        for future in done:
            future.result(ADMIN_TIMEOUT_S)

    # ------------------------------------------------------------ the end

    def _kill_all(self) -> None:
        # Nothing here is to be kept, so nothing needs an orderly end.
        for process in self._running.values():
            process.kill()
        self._running.clear()

    def _keep_logs(self) -> Path:
        assert self._home is not None
        shutil.rmtree(self._home / "data", ignore_errors=True)
        WATCHDOG.forget(self._home)
        return self.logs

    def _listener(self, index: int) -> str:
        assert self._ports, "the cluster has not started"
        return ",".join(f"{HOST}:{ports[index]}" for ports in self._ports.values())


def run_tool(main_class: str, *arguments: str, timeout_s: float = TOOL_TIMEOUT_S, text: str = "") -> str:
    """Run *main_class* from Kafka's jars with *text* as its input; return what it prints.

    Raise ServiceUnavailable when it fails or takes too long.
    """
    command = [java(), *TOOL_JVM, "-cp", str(kafka_jars() / "*"), main_class, *arguments]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as expired:
        raise ServiceUnavailable(f"{main_class} did not finish within {timeout_s:.0f} s") from expired
    if done.returncode != 0:
        raise ServiceUnavailable(f"{main_class} failed:\n{tail(done.stdout + done.stderr)}")
    return done.stdout


def _answers(bootstrap: str, broker: int) -> bool:
    # Its log level keeps librdkafka from telling every refused connection while the broker starts.
    admin = AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "socket.timeout.ms": 2000,
            "reconnect.backoff.max.ms": 200,
        }
    )
    try:
        return broker in admin.list_topics(timeout=1.0).brokers
    except KafkaException:
        return False


def main() -> None:
    """Start a Kafka, print where it is, keep it until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.kafka", description=main.__doc__)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--secure", action="store_true", help="TLS, SASL and an authorizer as well")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a broker property")
    arguments = parser.parse_args()
    properties = {"auto.create.topics.enable": "true"} | dict(pair.split("=", 1) for pair in arguments.set)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    try:
        with KafkaCluster(brokers=arguments.brokers, secure=arguments.secure, properties=properties) as cluster:
            signal.signal(signal.SIGINT, end)
            signal.signal(signal.SIGTERM, end)
            print(f"bootstrap={cluster.bootstrap}", flush=True)
            print(f"try: fleet run quickstart --speed 60 --to kafka://{cluster.bootstrap}", file=sys.stderr, flush=True)
            if cluster.certificates is not None:
                print(f"tls={cluster.tls_bootstrap}\nsasl={cluster.sasl_bootstrap}")
                print(f"certificates={cluster.certificates.ca.parent}", flush=True)
            ended.wait()
    except ServiceUnavailable as unavailable:
        sys.exit(str(unavailable))
    except KeyboardInterrupt:
        sys.exit(130)


def existing() -> ExistingKafka | None:
    """Return the broker that FLEET_TEST_BOOTSTRAP names, if it names one."""
    bootstrap = os.environ.get("FLEET_TEST_BOOTSTRAP")
    return ExistingKafka(bootstrap) if bootstrap else None


if __name__ == "__main__":
    main()
