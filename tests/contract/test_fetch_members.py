"""The members of aiokafka that reading raw batches relies on; they are not public."""

from __future__ import annotations

import inspect

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import for_code
from aiokafka.protocol.fetch import FetchRequest

from fleet.sinks.fetch import PASSING

SAYS = "aiokafka has changed: fleet/sinks/fetch.py has to be made to fit before the pinned version may move: "


@pytest.mark.parametrize(
    ("owner", "member", "parameters"),
    [
        (AIOKafkaClient, "bootstrap", ["self"]),
        (AIOKafkaClient, "set_topics", ["self", "topics"]),
        (AIOKafkaClient, "force_metadata_update", ["self"]),
        (AIOKafkaClient, "send", ["self", "node_id", "request", "group"]),
        (AIOKafkaClient, "close", ["self"]),
        (ClusterMetadata, "leader_for_partition", ["self", "partition"]),
        (
            FetchRequest,
            "__init__",
            ["self", "max_wait_time", "min_bytes", "max_bytes", "isolation_level", "topics", "rack_id"],
        ),
    ],
)
def test_a_member_is_there_and_takes_what_we_give(owner: type, member: str, parameters: list[str]) -> None:
    function = getattr(owner, member, None)

    assert function is not None, f"{SAYS}{owner.__name__}.{member} is gone"
    taken = list(inspect.signature(function).parameters)
    assert taken == parameters, f"{SAYS}{owner.__name__}.{member} takes {taken}"


def test_in_every_version_of_the_answer_a_partition_begins_with_number_and_error_and_ends_with_its_batches() -> None:
    for request in FetchRequest._CLASSES:
        schema = request.RESPONSE_TYPE.SCHEMA
        topics = schema.fields[schema.names.index("topics")].array_of
        rows = topics.fields[topics.names.index("partitions")].array_of

        names = rows.names
        assert (*names[:2], names[-1]) == ("partition", "error_code", "message_set"), f"{SAYS}{request.__name__}"
        assert topics.names == ("topics", "partitions"), f"{SAYS}{request.__name__}"


def test_the_client_has_the_cluster() -> None:
    assert "self.cluster" in inspect.getsource(AIOKafkaClient.__init__), f"{SAYS}AIOKafkaClient.cluster is gone"


@pytest.mark.parametrize("code", sorted(PASSING))
def test_errors_that_aiokafka_does_not_call_retriable_are_still_to_be_named_by_us(code: int) -> None:
    assert not for_code(code).retriable, f"{SAYS}error {code} need not be in PASSING any more"
