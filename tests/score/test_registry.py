"""Alerts as Avro, whose schema only the registry has."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from io import BytesIO

import fastavro
import pytest
from confluent_kafka import Producer

from fleet.broker.process import EmbeddedBroker
from fleet.contract.access import Access
from fleet.encode.avro import frame
from fleet.errors import RequestError
from fleet.run.clock import RealClock
from fleet.run.execute import execute
from fleet.run.plan import RunRequest, make_plan
from fleet.score.command import ScoreRequest, carry_out
from fleet.sinks.connection import Connection
from tests.registry.servers import Answer, serving
from tests.verify.logs import START_US, quickstart

ALERT = """{"type": "record", "name": "Alert", "fields": [{"name": "machine", "type": "string"},
    {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}"""


@pytest.fixture
async def broker() -> AsyncIterator[Connection]:
    """Give a broker that has a run, and an alert about it."""
    with EmbeddedBroker() as embedded:
        connection = Connection(embedded.start({"factory.readings": 1, "factory.events": 1, "factory.runs": 1}))
        request = RunRequest(
            scenario=quickstart(), source="quickstart", targets=(f"kafka://{connection.bootstrap}",), speed=math.inf,
            start_us=START_US, length_us=10_000_000,
        )  # fmt: skip
        clock = RealClock()
        plan = make_plan(request, wall_us=clock.wall_us())
        await execute(plan, clock=clock, broker=None, proof=None, watch=lambda _: None)
        body = BytesIO()
        alert = {"machine": plan.roster.machines[0].id, "time": START_US + 1_000_000}
        fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(ALERT)), alert)
        producer = Producer({"bootstrap.servers": connection.bootstrap})
        producer.produce("alerts", frame(900) + body.getvalue())
        assert producer.flush(20) == 0
        yield connection


async def test_alerts_in_avro_are_read_by_the_registrys_schema(broker: Connection) -> None:
    with serving(lambda _: Answer({"schema": ALERT})) as server:
        answer = await carry_out(
            ScoreRequest("topic:alerts", source=broker, as_json=True, registry=Access((server.url,)))
        )
    told = "alerts-[0-9]:0: no schema has the id 900; known are none; alerts in Avro need a registry"
    with pytest.raises(RequestError, match=told):
        await carry_out(ScoreRequest("topic:alerts", source=broker))

    assert json.loads(answer.out[0])["alerts"] == 1
    assert [asked.path for asked in server.asked] == ["/schemas/ids/900"]
