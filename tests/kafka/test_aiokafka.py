"""What we use of aiokafka's insides is where we left it, and nobody else who uses it notices us.

Where this fails after an upgrade, streams/kafka/cluster/connections.py or requests.py has to follow what moved.
"""

import asyncio
import inspect
import subprocess
import sys
import uuid
from importlib.metadata import version
from io import BytesIO
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]
from aiokafka.protocol.admin import SaslAuthenticateRequest  # type: ignore[import-untyped]
from aiokafka.protocol.types import Array, Schema  # type: ignore[import-untyped]

from mmsb.streams.kafka.cluster import connections, requests
from mmsb.streams.kafka.cluster.broker import Aborted, Span, TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from mmsb.streams.kafka.cluster.requests import Part, Wanted
from mmsb.streams.kafka.cluster.url import Address
from tests.kafka.contract import append, make, read

AT = TopicPartition("t", 3)
BATCH = b"a batch"
MOVED = "aiokafka has moved something: adapt streams/kafka/cluster/connections.py and requests.py, then this test"


def fields(schema: Any) -> str:
    """A structure in words: its names in order, those of arrays in parentheses."""
    return " ".join(
        name + (f"({fields(kind.array_of)})" if isinstance(kind, Array) and isinstance(kind.array_of, Schema) else "")
        for name, kind in zip(schema.names, schema.fields, strict=True)
    )


def newest(request: Any) -> Any:
    """The request as it goes to a broker that knows all versions that aiokafka knows."""
    return request.prepare({request.API_KEY: (0, 99)})


ASKED: list[tuple[object, int, str, str]] = [
    (
        requests.ask_metadata(["t"]),
        5,
        "0000000100017400",
        "throttle_time_ms brokers(node_id host port rack) cluster_id controller_id "
        "topics(error_code topic is_internal partitions(error_code partition leader replicas isr offline_replicas))",
    ),
    (
        requests.ask_fetch([Wanted(AT, 7, 100)], 500, 1000),
        11,
        "ffffffff000001f400000001000003e80000000000ffffffff000000010001740000000100000003ffffffff0000000000000007ffffffffffffffff00000064000000000000",
        "throttle_time_ms error_code session_id topics(topics partitions(partition error_code highwater_offset "
        "last_stable_offset log_start_offset aborted_transactions(producer_id first_offset) preferred_read_replica "
        "message_set))",
    ),
    (
        requests.ask_append(AT, BATCH, 500),
        7,
        "ffffffff000001f40000000100017400000001000000030000000761206261746368",
        "topics(topic partitions(partition error_code offset timestamp log_start_offset)) throttle_time_ms",
    ),
    (
        requests.ask_offset(AT, requests.FIRST),
        3,
        "ffffffff00000000010001740000000100000003fffffffffffffffe",
        "throttle_time_ms topics(topic partitions(partition error_code timestamp offset))",
    ),
    (
        requests.ask_trim(AT, 7, 500),
        2,
        "020274020000000300000000000000070000000001f400",
        "throttle_time_ms topics(name partitions(partition_index low_watermark error_code tags) tags) tags",
    ),
    (
        requests.ask_create("t", 1, -1, {"a": "b"}, 500),
        3,
        "0000000100017400000001ffff0000000000000001000161000162000001f400",
        "throttle_time_ms topic_errors(topic error_code error_message)",
    ),
    (
        requests.ask_settings(["t"]),
        2,
        "0000000102000174ffffffff00",
        "throttle_time_ms resources(error_code error_message resource_type resource_name config_entries(config_names "
        "config_value read_only config_source is_sensitive config_synonyms(config_name config_value config_source)))",
    ),
    (
        requests.ask_alter("t", {"a": "b"}),
        0,
        "0000000102000174000000010001610000016200",
        "throttle_time_ms resources(error_code error_message resource_type resource_name)",
    ),
    (
        requests.ask_coordinator("g"),
        1,
        "00016700",
        "throttle_time_ms error_code error_message coordinator_id host port",
    ),
    (
        requests.ask_commit("g", {AT: (7, "words")}),
        3,
        "000167ffffffff0000ffffffffffffffff00000001000174000000010000000300000000000000070005776f726473",
        "throttle_time_ms topics(topic partitions(partition error_code))",
    ),
    (
        requests.ask_committed("g", [AT]),
        3,
        "000167000000010001740000000100000003",
        "throttle_time_ms topics(topic partitions(partition offset metadata error_code)) error_code",
    ),
]
"""What is asked, in which version, in which bytes, and what its answer consists of: as Kafka 4 understood it."""


@pytest.mark.parametrize(("request_", "number", "sent", "answered"), ASKED, ids=lambda part: type(part).__name__)
def test_requests_and_answers_are_those_that_were_tried(
    request_: object, number: int, sent: str, answered: str
) -> None:
    struct = newest(request_)
    assert number == struct.API_VERSION, MOVED
    assert struct.encode().hex() == sent, MOVED
    assert fields(struct.RESPONSE_TYPE.SCHEMA) == answered, MOVED


def answer_to(request: Any, *values: object) -> Any:
    """An answer, through the bytes that a broker sends."""
    kind = newest(request).RESPONSE_TYPE
    return kind.decode(BytesIO(kind(*values).encode()))


def test_answers_are_read_as_they_are_meant() -> None:
    fetch = answer_to(
        requests.ask_fetch([Wanted(AT, 7, 100)], 500, 1000),
        0, 0, 0, [("t", [(3, 0, 90, 80, 5, [(1, 2)], -1, BATCH), (4, 1, -1, -1, -1, None, -1, None)])],
    )  # fmt: skip
    assert requests.read_fetch(fetch) == [
        Part(AT, 0, Span(5, 90), BATCH, (Aborted(1, 2),)),
        Part(TopicPartition("t", 4), 1, Span(-1, -1), b"", ()),
    ]
    metadata = answer_to(
        requests.ask_metadata(["t"]),
        0, [(1, "one", 9092, None)], "cluster", 1,
        [(0, "t", False, [(0, 3, 1, [1], [1], []), (5, 4, -1, [1], [], [])]), (3, "no", False, [])],
    )  # fmt: skip
    assert requests.read_metadata(metadata) == requests.Metadata(
        "cluster", {1: Address("one", 9092)}, {"t": {3: 1, 4: -1}}, {"no": 3}
    )
    appended = answer_to(requests.ask_append(AT, BATCH, 500), [("t", [(3, 0, 77, -1, 5)])], 0)
    assert requests.read_append(appended) == (0, 77)
    assert requests.read_offset(answer_to(requests.ask_offset(AT, -1), 0, [("t", [(3, 6, -1, 55)])])) == (6, 55)
    assert requests.read_trim(answer_to(requests.ask_trim(AT, 7, 5), 0, [("t", [(3, 7, 1, {})], {})], {})) == 1
    created = answer_to(requests.ask_create("t", 1, -1, {}, 5), 0, [("t", 36, "exists")])
    assert requests.read_create(created) == (36, "exists")
    entries: list[object] = [("a", "b", False, 1, False, []), ("secret", None, False, 1, True, [])]
    settings = answer_to(requests.ask_settings(["t"]), 0, [(0, None, 2, "t", entries)])
    assert requests.read_settings(settings) == [("t", 0, None, {"a": "b"})]
    assert requests.read_alter(answer_to(requests.ask_alter("t", {}), 0, [(40, "bad", 2, "t")])) == (40, "bad")
    found = answer_to(requests.ask_coordinator("g"), 0, 15, None, 1, "one", 9092)
    assert requests.read_coordinator(found) == (15, Address("one", 9092))
    assert requests.read_commit(answer_to(requests.ask_commit("g", {AT: (7, "")}), 0, [("t", [(3, 16)])])) == [16]
    noted = answer_to(
        requests.ask_committed("g", [AT]), 0, [("t", [(3, 7, "words", 0), (4, -1, "", 0), (5, 0, None, 14)])], 0
    )
    assert requests.read_committed(noted) == ([0, 0, 0, 14], {AT: (7, "words"), TopicPartition("t", 5): (0, "")})


def test_it_is_the_version_that_this_was_tried_with() -> None:
    assert version("aiokafka").split(".")[:2] == ["0", "14"], MOVED


def test_a_connection_takes_and_has_what_we_use() -> None:
    parameters = inspect.signature(AIOKafkaConnection).parameters
    for name in (
        "host", "port", "client_id", "request_timeout_ms", "max_idle_ms", "security_protocol", "ssl_context",
        "sasl_mechanism", "sasl_plain_username", "sasl_plain_password",
    ):  # fmt: skip
        assert name in parameters, f"{name}: {MOVED}"
    assert list(inspect.signature(AIOKafkaConnection.send).parameters) == ["self", "request", "expect_response"], MOVED
    assert inspect.iscoroutinefunction(AIOKafkaConnection.connect), MOVED
    assert not inspect.iscoroutinefunction(AIOKafkaConnection.close), MOVED
    source = inspect.getsource(AIOKafkaConnection)
    assert "self._writer.write(size + message)" in source, f"whether it was sent is asked of _writer: {MOVED}"
    assert "self.send(SaslAuthenticateRequest(payload))" in source, f"a password may be logged: {MOVED}"


def test_a_password_is_not_in_what_is_logged_of_a_request() -> None:
    request = SaslAuthenticateRequest(b"\0ann\0secret")
    assert "secret" in repr(newest(request)), "aiokafka logs whole requests"
    hidden = connections._Unlogged(request).prepare({request.API_KEY: (0, 99)})
    assert hidden.encode() == newest(request).encode()
    assert "secret" not in f"{hidden}{hidden!r}"


CHANGES_NOTHING = """
import sys, types
import aiokafka, aiokafka.client, aiokafka.conn, aiokafka.consumer.fetcher, aiokafka.admin
def insides():
    found = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "aiokafka":
            for key, value in vars(module).items():
                found[name, key] = id(value)
                if isinstance(value, type) and value.__module__.startswith("aiokafka"):
                    found.update({(name, key, inner): id(part) for inner, part in vars(value).items()})
    return found
before = insides()
import mmsb.streams.kafka.cluster.client
after = insides()
moved = {key for key in before if after[key] != before[key]}
assert not moved, moved
assert len(before) > 1000
"""


def test_nothing_of_it_is_replaced() -> None:
    subprocess.run([sys.executable, "-c", CHANGES_NOTHING], check=True, timeout=60)


def test_others_use_it_beside_us(kafka_url: str) -> None:
    where = kafka_url.removeprefix("kafka://")
    topic = f"beside-{uuid.uuid4().hex}"

    async def main() -> None:
        async with asyncio.timeout(30), open_broker(kafka_url) as broker:
            at = await make(broker, topic)
            offset = await append(broker, at, b"ours")
            producer = AIOKafkaProducer(bootstrap_servers=where, compression_type="gzip")
            await producer.start()
            await producer.send_and_wait(topic, b"theirs", key=b"k")
            await producer.stop()
            consumer = AIOKafkaConsumer(topic, bootstrap_servers=where, auto_offset_reset="earliest")
            await consumer.start()
            found = [await consumer.getone() for _ in range(offset + 2)]
            await consumer.stop()
            assert [record.value for record in found][-2:] == [b"ours", b"theirs"]
            assert await read(broker, at, offset, offset + 1) == [b"ours"]

    asyncio.run(main())
