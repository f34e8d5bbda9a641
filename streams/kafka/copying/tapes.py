"""A log to copy from, or to hold a copy against: one partition's intents or TLog, in a folder or in a topic."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Final, Protocol

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.streams.files import Files
from mmsb.streams.folder import INTENTS, MARK
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.broker import Broker, Span, TopicPartition
from mmsb.streams.log import Log, MarkReader, Reader
from mmsb.streams.log.begin import read_begin
from mmsb.streams.log.segments import list_bases

READ_BYTES: Final = 4 << 20
LANE: Final = "copy"


class Tape(Protocol):
    @property
    def name(self) -> str: ...

    async def span(self) -> Span:
        """Which offsets are there for certain."""
        ...

    def read(self, start: int, end: int) -> AsyncGenerator[RawBatch, None]:
        """The batches from the one that holds `start` up to `end`, where one ends."""
        ...


class FolderTape:
    """A log that somebody may be writing, as far as it is durable."""

    def __init__(self, files: Files, partition: Path, log: str) -> None:
        """`partition` is a partition's folder, which need not be there."""
        self.name = str(partition / log)
        self._files = files
        self._mark = partition / MARK
        self._folder = partition / log

    async def span(self) -> Span:
        if not self._files.exists(self._mark):
            return Span(0, 0)
        mark = MarkReader(self._files, self._mark)
        try:
            found = mark.read()
        finally:
            mark.close()
        durable = found.intents if self._folder.name == INTENTS else found.tlog
        first = min([read_begin(self._files, self._folder), *list_bases(self._files, self._folder)])
        return Span(first, max(first, durable))

    async def read(self, start: int, end: int) -> AsyncGenerator[RawBatch, None]:
        reader = Reader(self._files, self._folder, lambda: end)
        while start < end:
            for batch in local_form(reader.read(start, READ_BYTES)):
                yield batch
                start = batch.first + batch.count


class OpenTape:
    """A log of which this process is the writer."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self._log = log

    async def span(self) -> Span:
        return Span(self._log.first, self._log.end)

    async def read(self, start: int, end: int) -> AsyncGenerator[RawBatch, None]:
        while start < end:
            for batch in local_form(self._log.read(start, READ_BYTES, end)):
                yield batch
                start = batch.first + batch.count


class TopicTape:
    def __init__(self, broker: Broker, at: TopicPartition) -> None:
        self.name = str(at)
        self._broker = broker
        self._at = at

    async def span(self) -> Span:
        return await self._broker.span(self._at)

    async def read(self, start: int, end: int) -> AsyncGenerator[RawBatch, None]:
        if start >= end:
            return
        following = self._broker.follow(self._at, start, LANE)
        try:
            while start < end:
                for batch in local_form((await following.take()).data):
                    if batch.first >= end:
                        return
                    if batch.first + batch.count > start:
                        yield batch
                        start = batch.first + batch.count
        finally:
            following.close()


async def genesis_of(tlog: Tape) -> Genesis:
    """What stands at offset 0 of a TLog."""
    span = await tlog.span()
    check_whole(tlog, span)
    if span.end == 0:
        raise EnvironmentFailed(f"{tlog.name}: expected a TLog, found nothing in it; name another folder or topic")
    async with aclosing(tlog.read(0, span.end)) as batches:
        value = read_batches((await anext(batches)).data).value(0)
    if value is not None and peek(value) == TlogKind.GENESIS:
        return unpack_genesis(value)
    raise CorruptState(f"{tlog.name}: expected a genesis at offset 0, found something else; this is no TLog of MMSB")


def check_whole(tape: Tape, span: Span) -> None:
    """Epochs are offsets, so a log that begins later cannot be put anywhere else."""
    if span.first > 0:
        raise EnvironmentFailed(
            f"{tape.name}: expected a log from offset 0 on, found that it was trimmed and begins at offset "
            f"{span.first}; move it by checkpoint: mmsb checkpoint export, mmsb checkpoint import"
        )
