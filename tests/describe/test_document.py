"""The AsyncAPI document says what the plan says, and its examples are records of the run."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml

from fleet.api import load
from fleet.describe.subject import described, written
from fleet.encode.layouts import LAYOUTS
from fleet.encode.schemas import schema_text
from fleet.run.sample import sample
from fleet.scenario.load import scenario_names
from tests.cli.commands import fleet
from tests.describe.documents import avro_of, document, scenario_file, shipped
from tests.services.certificates import make_certificates

SHOWN = ("quickstart", "thingum", "hundred-thousand")


@pytest.mark.parametrize("name", scenario_names())
def test_the_document_has_the_topics_of_the_plan(name: str) -> None:
    target = written(described(load(name), name))
    channels = shipped(name)["channels"]

    assert {channel["address"] for channel in channels.values()} == {plan.topic for plan in target.streams.values()}
    for channel in channels.values():
        topic = next(topic for topic in target.topics if topic.name == channel["bindings"]["kafka"]["topic"])
        kafka = channel["bindings"]["kafka"]
        assert (kafka["partitions"], kafka["replicas"]) == (topic.partitions, topic.replication)
        assert kafka["topicConfiguration"]["cleanup.policy"] == ["delete"]
        if "retention.bytes" in topic.configs:
            assert kafka["topicConfiguration"]["retention.bytes"] == int(topic.configs["retention.bytes"])


@pytest.mark.parametrize("name", scenario_names())
def test_every_message_has_the_schema_that_the_run_writes(name: str) -> None:
    target = written(described(load(name), name))
    messages = shipped(name)["components"]["messages"]
    wanted = {
        f"{stream}-{layout.name}": layout
        for stream, plan in target.streams.items()
        for layout in plan.layouts_of(stream)
    }

    assert messages.keys() == wanted.keys()
    for message, layout in wanted.items():
        text = avro_of(messages[message])
        if text is not None:
            assert json.loads(text) == json.loads(layout.text or schema_text(layout.schema))
        else:
            assert tuple(messages[message]["payload"]["properties"]) == layout.fields


def test_every_layout_that_can_be_written_can_be_described(tmp_path: Path) -> None:
    for stream, layout in (key for key in LAYOUTS if key[0] in {"readings", "truth", "events"}):
        for form in ("avro", "json"):
            text = f"records: {{{stream}: {{layout: {layout}, format: {form}}}}}\n"

            messages = document(load(scenario_file(tmp_path, text)))["components"]["messages"]

            assert messages[f"{stream}-{layout}"]["examples"]


@pytest.mark.parametrize("name", scenario_names())
def test_every_example_is_a_record_of_its_schema(name: str) -> None:
    messages = shipped(name)["components"]["messages"]
    seen = 0

    for message in messages.values():
        for example in message.get("examples", ()):
            validate(message, example["payload"])
            seen += 1

    assert seen >= len(messages) - 1  # labels of scenarios in which nothing fails for hours


def validate(message: dict[str, Any], payload: Any) -> None:
    text = avro_of(message)
    if text is None:
        assert payload.keys() == message["payload"]["properties"].keys()
        return
    schema = fastavro.parse_schema(json.loads(text))
    (datum,) = fastavro.json_reader(StringIO(json.dumps(payload)), schema)
    assert fastavro.validate(datum, schema, raise_errors=False)
    for field in json.loads(text)["fields"]:  # a number for an instant could be anything
        if field["name"] == "timestamp":
            assert datum["timestamp"].year == 2026
        if isinstance(field["type"], dict) and field["type"]["type"] == "enum":
            assert datum[field["name"]] in field["type"]["symbols"]


def test_an_example_that_is_no_record_would_be_found() -> None:
    message = shipped("quickstart")["components"]["messages"]["readings-v2"]
    wrong = {**message["examples"][0]["payload"], "quality": "EXCELLENT"}

    with pytest.raises(Exception, match="EXCELLENT"):
        validate(message, wrong)


def test_examples_of_readings_are_the_first_that_the_run_sends() -> None:
    plan = described(load("quickstart"), "quickstart")
    sent = [json.loads(value) for value in sample(plan, 200)]
    messages = shipped("quickstart")["components"]["messages"]

    for example in messages["readings-v2"]["examples"]:
        payload = example["payload"]
        names = ("machine", "seq", "sensor", "value", "quality")
        assert [payload[name] for name in names] in [[each.get(name) for name in names] for each in sent]


def test_the_wearing_bearing_of_the_quickstart_is_among_the_examples() -> None:
    messages = shipped("quickstart")["components"]["messages"]
    labels = [example["payload"] for example in messages["labels-v1"]["examples"]]

    assert [(label["machine"], label["phase"]) for label in labels] == [
        ("filling-pump-worn", "OPEN"),
        ("filling-pump-worn", "CLOSED"),
    ]


def test_readings_behind_many_doors_have_examples(tmp_path: Path) -> None:
    file = tmp_path / "doors.yaml"
    doors = "".join(f"  - {{name: d{number}, machines: [{{kind: door}}]}}\n" for number in range(13))
    file.write_text(f"fleet: 1\nname: doors\nseed: 1\nlines:\n{doors}  - {{name: a, machines: [{{kind: pump}}]}}\n")

    assert document(load(file))["components"]["messages"]["readings-v2"]["examples"]


def test_a_document_is_the_same_each_time() -> None:
    assert document(load("quickstart"), "quickstart") == shipped("quickstart")


@pytest.mark.parametrize("name", SHOWN)
def test_a_document_stays_readable(name: str) -> None:
    assert len(yaml.safe_dump(shipped(name))) < 80_000


def test_a_template_of_topics_is_one_channel_with_parameters(tmp_path: Path) -> None:
    found = document(load(scenario_file(tmp_path, "records: {readings: {topic: 'factory.{line}'}}\n")))

    channel = found["channels"]["readings"]
    assert channel["address"] == "factory.{line}"
    assert channel["parameters"]["line"]["enum"] == ["a", "b"]
    assert "2 topics, factory.a to factory.b" in channel["description"]


def test_a_schema_of_ones_own_is_described(tmp_path: Path) -> None:
    fields = [{"name": "device", "type": "string"}, {"name": "reading", "type": "double"}]
    (tmp_path / "my.avsc").write_text(json.dumps({"type": "record", "name": "Mine", "fields": fields}))
    text = "records: {readings: {schema: my.avsc, fields: {device: machine, reading: value}}}\n"

    found = document(load(scenario_file(tmp_path, text)))

    (message,) = [each for name, each in found["components"]["messages"].items() if name.startswith("readings")]
    assert message["name"] == "Mine"
    assert message["correlationId"]["location"] == "$message.payload#/device"
    assert message["examples"][0]["payload"].keys() == {"device", "reading"}


def test_every_version_that_a_scenario_writes_is_a_message_with_examples() -> None:
    found = shipped("schema-evolution")
    names = ["readings-v1", "readings-v2", "readings-v3", "readings-machine-sensor-next.avsc"]

    assert list(found["channels"]["readings"]["messages"]) == names
    for name in names:
        assert found["components"]["messages"][name]["examples"]


def test_protobuf_is_described_by_its_file(tmp_path: Path) -> None:
    text = "records: {readings: {format: protobuf}}\n"

    message = document(load(scenario_file(tmp_path, text)))["components"]["messages"]["readings-v2"]

    assert message["payload"] == {
        "schemaFormat": "application/vnd.google.protobuf;version=3",
        "schema": schema_text("machine-sensor.v2.proto"),
    }
    assert message["examples"][0]["payload"]["sensor"] == "suction_pressure"


def test_cloudevents_are_described_with_the_headers_that_records_have() -> None:
    messages = document(load("quickstart"), "quickstart", headers="cloudevents")["components"]["messages"]

    for message in messages.values():
        headers = message["headers"]["properties"]
        assert {"ce_id", "ce_source", "ce_specversion", "ce_time", "ce_type", "content-type"} <= headers.keys()
        assert all(each["description"] for each in headers.values())
        assert all(example["headers"].keys() == headers.keys() for example in message["examples"])


def test_the_run_s_header_is_described_where_it_is_sent() -> None:
    messages = document(load("quickstart"), "quickstart", run_header=True)["components"]["messages"]

    assert messages["readings-v2"]["headers"]["properties"].keys() == {"fleet-run"}
    assert messages["readings-v2"]["examples"][0]["headers"]["fleet-run"]
    assert "headers" not in messages["events-v2"]
    assert "headers" not in shipped("quickstart")["components"]["messages"]["readings-v2"]


# ---------------------------------------------------------------- brokers


def test_without_a_broker_three_ways_are_shown() -> None:
    found = shipped("quickstart")

    assert {name: server["protocol"] for name, server in found["servers"].items()} == {
        "localhost": "kafka",
        "cloud-certificate": "kafka-secure",
        "cloud-password": "kafka-secure",
    }
    assert {name: each["type"] for name, each in found["components"]["securitySchemes"].items()} == {
        "clientCertificate": "X509",
        "saslScram512": "scramSha512",
    }


def test_a_broker_with_a_client_certificate_is_described_without_its_secrets(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    config = tmp_path / "client.properties"
    config.write_text(
        f"security.protocol=SSL\nssl.ca.location={made.ca}\nssl.certificate.location={made.client_cert}\n"
        f"ssl.key.location={made.client_key}\n"
    )

    ended = fleet(
        "asyncapi", "quickstart", "--to", "kafka://k1.test:9093,k2.test:9094", "--kafka-config", str(config),
        "--registry", "https://me:hidden-password@registry.test",
    )  # fmt: skip

    found = yaml.safe_load(ended.out)
    assert [(server["host"], server["protocol"]) for server in found["servers"].values()] == [
        ("k1.test:9093", "kafka-secure"),
        ("k2.test:9094", "kafka-secure"),
    ]
    assert found["servers"]["kafka-1"]["bindings"]["kafka"]["schemaRegistryUrl"] == "https://registry.test"
    assert found["components"]["securitySchemes"]["clientCertificate"]["type"] == "X509"
    assert "hidden-password" not in ended.out
    assert "PRIVATE KEY" not in ended.out


def test_a_broker_with_a_password_is_described_without_it(tmp_path: Path) -> None:
    config = tmp_path / "client.properties"
    config.write_text(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=fleet-user\nsasl.password=hidden-password\n"
    )

    ended = fleet("asyncapi", "quickstart", "--to", "kafka://k.test:9092", "--kafka-config", str(config))

    assert yaml.safe_load(ended.out)["components"]["securitySchemes"]["saslPlain"]["type"] == "plain"
    assert "hidden-password" not in ended.out
    assert "fleet-user" not in ended.out


# ---------------------------------------------------------------- the command


def test_a_folder_has_the_document_and_the_schemas_that_it_refers_to(tmp_path: Path) -> None:
    ended = fleet("asyncapi", "thingum", "--out", str(tmp_path / "asyncapi"))

    found = yaml.safe_load((tmp_path / "asyncapi" / "asyncapi.yaml").read_text())
    references = [
        message["payload"]["schema"]["$ref"]
        for message in found["components"]["messages"].values()
        if "schemaFormat" in message["payload"]
    ]
    assert ended.code == 0
    assert len(references) == 4
    for reference in references:
        file = tmp_path / "asyncapi" / reference
        assert file.read_text() == schema_text(file.name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quickstrat"], "quickstrat: no such file, and unknown scenario 'quickstrat'; did you mean 'quickstart'?"),
        (["quickstart", "--to", "file:a.avro"], "--to: must be kafka://HOST:PORT, got 'file:a.avro'"),
        (
            ["quickstart", "--out", "a.html"],
            "--out a.html: what is written is a document; name it .yaml",
        ),
        (["quickstart", "--out", "a.yaml", "--html"], "--out a.yaml: what is written is a page; name it .html"),
        (["quickstart", "--out", "/dev/null/a"], "--out /dev/null/a/schemas/machine-sensor.v2.avsc: cannot be written"),
        (["quickstart", "--kafka-config", "missing"], "missing: cannot be read"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    ended = fleet("asyncapi", *arguments, cwd=tmp_path)

    assert ended.code == 2
    assert said in ended.err
    assert len(ended.lines) == 1
    assert not list(tmp_path.iterdir())
