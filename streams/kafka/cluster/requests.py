# mypy: disable-error-code="import-untyped, misc, no-untyped-call"
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""What is asked of brokers, in aiokafka's structures, and what their answers say, in our own words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka.protocol.admin import (
    AlterConfigsResponse_v0,
    CreateTopicsRequest,
    DeleteRecordsRequest,
    DescribeConfigsRequest,
)
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import Array, Boolean, Int8, Schema, String

from mmsb.streams.kafka.cluster.broker import Aborted, Span, TopicPartition
from mmsb.streams.kafka.cluster.url import Address

FIRST: Final = -2
END: Final = -1
_ALL_REPLICAS: Final = -1
_READ_UNCOMMITTED: Final = 0
_READ_COMMITTED: Final = 1
_AS_CONSUMER: Final = -1
_NO_GENERATION: Final = -1
_DEFAULT_RETENTION: Final = -1
_GROUP: Final = 0
_TOPIC: Final = 2
_SET: Final = 0
T = TypeVar("T")


@dataclass(frozen=True)
class Metadata:
    cluster: str
    brokers: Mapping[int, Address]
    topics: Mapping[str, Mapping[int, int]]
    """The leaders of each partition, by topic; -1 where nobody leads."""

    errors: Mapping[str, int]
    """Of topics that are not there, or not to be seen."""


class Part(NamedTuple):
    """What a fetch says of one partition."""

    at: TopicPartition
    code: int
    span: Span
    data: bytes
    aborted: tuple[Aborted, ...]


class Wanted(NamedTuple):
    at: TopicPartition
    offset: int
    bytes_max: int


def ask_metadata(topics: Iterable[str]) -> object:
    """Without having topics made that are not there."""
    return MetadataRequest(list(topics), allow_auto_topic_creation=False)


def read_metadata(answer: Any) -> Metadata:
    return Metadata(
        answer.cluster_id or "",
        {node: Address(host, port) for node, host, port, _ in answer.brokers},
        {
            topic: {partition: leader for _, partition, leader, *_ in partitions}
            for code, topic, _, partitions in answer.topics
            if code == 0
        },
        {topic: code for code, topic, _, _ in answer.topics if code},
    )


def ask_fetch(wanted: Sequence[Wanted], wait_ms: int, bytes_max: int, *, committed: bool = False) -> object:
    """Up to the high watermark, of transactions that were aborted, too; or only what is `committed`, as far as no
    transaction is open, with what was aborted among it."""
    topics = _by_topic((part.at, (part.at.partition, part.offset, part.bytes_max)) for part in wanted)
    return FetchRequest(wait_ms, 1, bytes_max, _READ_COMMITTED if committed else _READ_UNCOMMITTED, topics)


def read_fetch(answer: Any) -> list[Part]:
    return [
        Part(
            TopicPartition(topic, partition),
            code,
            Span(first, end),
            data or b"",
            tuple(Aborted(*each) for each in aborted or ()),
        )
        for topic, partitions in answer.topics
        for partition, code, end, _, first, aborted, *_, data in partitions
    ]


def ask_append(at: TopicPartition, batch: bytes, wait_ms: int) -> object:
    return ProduceRequest(None, _ALL_REPLICAS, wait_ms, [(at.topic, [(at.partition, batch)])])


def read_append(answer: Any) -> tuple[int, int]:
    """The error code, and the offset, or -1."""
    [(_, [(_, code, offset, *_)])] = answer.topics
    return code, offset


def ask_offset(at: TopicPartition, which: int) -> object:
    """`which` is FIRST or END."""
    return OffsetRequest(_AS_CONSUMER, _READ_UNCOMMITTED, [(at.topic, [(at.partition, which)])])


def read_offset(answer: Any) -> tuple[int, int]:
    [(_, [(_, code, *_, offset)])] = answer.topics
    return code, offset


def ask_trim(at: TopicPartition, offset: int, wait_ms: int) -> object:
    return DeleteRecordsRequest([(at.topic, [(at.partition, offset)])], wait_ms)


def read_trim(answer: Any) -> int:
    [(_, [(_, _, code, *_)], *_)] = answer.topics
    return int(code)


def ask_create(topic: str, partitions: int, replicas: int, settings: Mapping[str, str], wait_ms: int) -> object:
    wanted: Any = topic, partitions, replicas, [], list(settings.items())
    return CreateTopicsRequest([wanted], wait_ms, False)


def read_create(answer: Any) -> tuple[int, str | None]:
    [(_, code, words)] = answer.topic_errors
    return code, words


def ask_settings(topics: Iterable[str]) -> object:
    return DescribeConfigsRequest([(_TOPIC, topic, None) for topic in topics])


def read_settings(answer: Any) -> list[tuple[str, int, str | None, dict[str, str]]]:
    """Of each topic the name, the error code, what the broker says to that, and the settings."""
    return [
        (name, code, words, {entry[0]: entry[1] for entry in entries if entry[1] is not None})
        for code, words, _, name, entries in answer.resources
    ]


def ask_alter(topic: str, settings: Mapping[str, str]) -> object:
    """aiokafka lacks the request that leaves other settings as they are."""
    return _AlterSettings([(_TOPIC, topic, [(name, _SET, value) for name, value in settings.items()])])


def read_alter(answer: Any) -> tuple[int, str | None]:
    [(code, words, _, _)] = answer.resources
    return code, words


def ask_coordinator(group: str) -> object:
    return FindCoordinatorRequest(group, _GROUP)


def read_coordinator(answer: Any) -> tuple[int, Address]:
    return answer.error_code, Address(answer.host, answer.port)


def ask_commit(group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> object:
    topics = _by_topic((at, (at.partition, offset, words)) for at, (offset, words) in offsets.items())
    return OffsetCommitRequest(group, _NO_GENERATION, "", _DEFAULT_RETENTION, topics)


def read_commit(answer: Any) -> list[int]:
    return [code for _, partitions in answer.topics for _, code in partitions]


def ask_committed(group: str, partitions: Iterable[TopicPartition]) -> object:
    return OffsetFetchRequest(group, _by_topic((at, at.partition) for at in partitions))


def read_committed(answer: Any) -> tuple[list[int], dict[TopicPartition, tuple[int, str]]]:
    """The error codes, and what was noted, as far as anything was."""
    codes, noted = [answer.error_code], dict[TopicPartition, tuple[int, str]]()
    for topic, partitions in answer.topics:
        for partition, offset, words, code in partitions:
            codes.append(code)
            if offset >= 0:
                noted[TopicPartition(topic, partition)] = offset, words or ""
    return codes, noted


def _by_topic(parts: Iterable[tuple[TopicPartition, T]]) -> list[tuple[str, list[T]]]:
    """As brokers want them: each topic once, in the order in which they come."""
    topics: dict[str, list[T]] = {}
    for at, part in parts:
        topics.setdefault(at.topic, []).append(part)
    return list(topics.items())


_TEXT: Final = String("utf-8")


class _AlterSettingsStruct(RequestStruct):
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = AlterConfigsResponse_v0  # this request's version 0 is answered alike
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("type", Int8),
                ("name", _TEXT),
                ("settings", Array(("name", _TEXT), ("operation", Int8), ("value", _TEXT))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterSettings(Request[_AlterSettingsStruct]):
    API_KEY = 44

    def __init__(self, resources: Sequence[tuple[int, str, Sequence[tuple[str, int, str]]]]) -> None:
        self._resources = resources

    def build(self, request_struct_class: type[_AlterSettingsStruct]) -> _AlterSettingsStruct:
        return request_struct_class(self._resources, False)
