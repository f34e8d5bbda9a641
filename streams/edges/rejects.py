"""Where messages go that cannot be dealt with, each with its reason: a topic of their own, or a file."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mmsb.processors.batching import MESSAGE_BYTES
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.limits import BATCH_BYTES_MAX
from mmsb.streams.edges.attempting import Rejected
from mmsb.streams.files import failed
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker, TooLarge, TopicPartition

SETTINGS: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": str(BATCH_BYTES_MAX)}
"""Of a topic that is made for them: nothing in it goes away before somebody has looked."""

AROUND_BYTES: Final = 6 << 10  # at most what headers take: a reason of 1,000 characters, and where it was


class RejectsFile:
    """Lines of JSON. One that was written twice, because of a restart, says the same place twice."""

    def __init__(self, path: Path, processor: str) -> None:
        self._path = path
        self._processor = processor

    def check(self) -> None:
        """Whoever has to put something away after hours finds the folder there."""
        if not self._path.parent.is_dir():
            raise EnvironmentFailed(
                f"processor {self._processor!r}: expected a folder for rejects={str(self._path)!r}, found none; make it"
            )

    async def put_away(self, rejected: Sequence[Rejected]) -> None:
        lines = b"".join(self._line(each) for each in rejected)
        await asyncio.to_thread(self._append, lines)

    def _line(self, rejected: Rejected) -> bytes:
        message = rejected.message
        said = {
            "processor": self._processor,
            "source": message.source,
            "position": message.position,
            "reason": rejected.reason,
            "value": message.value,
        }
        try:
            return json.dumps(said, default=_as_text).encode() + b"\n"
        except (TypeError, ValueError):  # keys that JSON has no form for, or something that contains itself
            return json.dumps(said | {"value": repr(message.value)}).encode() + b"\n"

    def _append(self, lines: bytes) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise failed(self._path, "write what a processor cannot deal with", error) from error


class RejectsTopic:
    """Records with key and value of the message; their headers say why, and where it was."""

    def __init__(self, appending: Appending, topic: str, processor: str) -> None:
        self._appending = appending
        self._topic = topic
        self._processor = processor

    async def put_away(self, rejected: Sequence[Rejected], partition: int) -> None:
        at = TopicPartition(self._topic, partition)
        some: list[Record] = []
        for record in map(self._record, rejected):
            if some and _size(some) + _size([record]) > MESSAGE_BYTES:
                await self._append(at, some)
                some = []
            some.append(record)
        await self._append(at, some)

    async def _append(self, at: TopicPartition, records: Sequence[Record]) -> None:
        """What is too large for the topic goes in parts, and one that is so by itself without what its source has."""
        try:
            await self._appending.append(at, encode_batch(0, records))
        except (TooLarge, InvalidValue):
            (record, *more) = records
            if more:
                middle = len(records) // 2
                await self._append(at, records[:middle])
                await self._append(at, records[middle:])
                return
            smaller = _without_its_largest(record)
            if smaller is None:
                raise
            await self._append(at, [smaller])

    def _record(self, rejected: Rejected) -> Record:
        message = rejected.message
        headers = {
            "mmsb-reason": rejected.reason,
            "mmsb-processor": self._processor,
            "mmsb-source": message.source,
            "mmsb-position": str(message.position),
        }
        told = tuple((name, value.encode("utf-8", "backslashreplace")) for name, value in headers.items())
        return Record(message.key, message.value, max(message.time, 0), told)


def _without_its_largest(record: Record) -> Record | None:
    key, value = len(record.key or b""), len(record.value or b"")
    if not key and not value:
        return None
    if value >= key:
        return replace(record, value=None, headers=(*record.headers, _left_out("value", value)))
    return replace(record, key=None, headers=(*record.headers, _left_out("key", key)))


def _left_out(what: str, size: int) -> tuple[str, bytes]:
    return f"mmsb-left-out-{what}", f"{size} bytes".encode()


def _size(records: Sequence[Record]) -> int:
    """Of their batch, about."""
    return sum(len(record.key or b"") + len(record.value or b"") + AROUND_BYTES for record in records)


async def ensure_topic(broker: Broker, topic: str, partitions: int) -> int:
    """Made with as many partitions as its source has, if it is missing; gives how many there are."""
    found = (await broker.topics([topic])).get(topic)
    if found is None:
        await broker.create(topic, partitions, -1, SETTINGS)
    return found or partitions


def _as_text(value: Any) -> str:
    """What JSON has no form for."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value)
