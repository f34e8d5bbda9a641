"""A partition's folder as a mirror of its two topics: the same records under the same offsets.

The topics are the truth. What is in the folder is there to be folded, searched and asked again, and can be fetched once
more. Nothing waits until it is on the disk, but for flushes: a home never knows what its logs have lost.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mmsb.processors.batching import RawBatch
from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.streams.beginning import Logs, Wanted, begin, durable_of
from mmsb.streams.files import Files, make_folders, write_new
from mmsb.streams.folder import INTENTS, MARK, TLOG, TOPIC, Progress
from mmsb.streams.homes import open_home
from mmsb.streams.inbox import GROUP_BYTES
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.broker import Broker, Fetched, Gone, Span, TopicPartition
from mmsb.streams.log import Durable, Log, Mark
from mmsb.streams.log.segments import list_bases
from mmsb.streams.opening import Opened, check_reaches, fold_rest
from mmsb.streams.world import World

LOOKS: Final = 10
LOOK_SECONDS: Final = 0.5  # between two of them
_TOPIC_BYTES_MAX: Final = 4_096


@dataclass(frozen=True)
class Mirrored:
    """What a folder mirrors: a partition of an application's topics in a cluster."""

    cluster: str
    app: str
    partition: int

    @property
    def intents(self) -> TopicPartition:
        return TopicPartition(f"{self.app}.intents", self.partition)

    @property
    def tlog(self) -> TopicPartition:
        return TopicPartition(f"{self.app}.tlog", self.partition)

    def pack(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def is_mirror(files: Files, folder: Path) -> bool:
    """Whether a partition's folder mirrors topics."""
    return files.exists(folder / TOPIC)


def open_mirror(
    world: World, folder: Path, of: Mirrored, begins: Sequence[RawBatch], wanted: Wanted, memory: int, tell: Progress
) -> Opened:
    """Blocks while it folds what is there. `begins` is the TLog's first batch, for a mirror that has nothing yet."""
    files = world.files
    _name(files, folder, of)
    with ExitStack() as parts:
        mark = Mark.open(files, folder / MARK)
        parts.callback(mark.close)
        housed = open_home(world, folder, memory)
        parts.callback(housed.store.close)
        tlog = Log.open(files, folder / TLOG, durable_of(mark.durable, housed.meta).tlog)
        parts.callback(tlog.close)
        intents = Log.open(files, folder / INTENTS, mark.durable.intents)
        parts.callback(intents.close)
        check_reaches(files, folder, housed.meta, tlog, None)
        for log in (tlog, intents):
            log.mend()
        if tlog.end == 0 and housed.meta is None:
            extend(tlog, begins)
        begun = begin(Logs(folder, intents, tlog, mirrored=True), wanted, world.nonce(), housed, memory)
        fold_rest(begun, tlog, None, tell)
        mark.write(Durable(intents.durable, tlog.durable))
        parts.pop_all()
    stored = None if housed.meta is None else housed.meta.standing
    return Opened(intents, tlog, mark, begun.fold, begun.home, begun.store, stored, begun.follow_up_blocks)


def check_not_embedded(files: Files, folder: Path) -> None:
    """Refuse a partition's folder whose logs are no mirror."""
    if not is_mirror(files, folder) and any(list_bases(files, folder / name) for name in (INTENTS, TLOG)):
        raise InvalidValue(
            f"{folder}: expected a mirror of topics, found an embedded log; name another data folder, or "
            "copy it into the topics: mmsb log copy"
        )


def _name(files: Files, folder: Path, of: Mirrored) -> None:
    """Have the folder say what it mirrors; refuse one that holds something else."""
    path = folder / TOPIC
    if not files.exists(path):
        check_not_embedded(files, folder)
        make_folders(files, folder)
        write_new(files, path, of.pack())
        files.sync_folder(folder.parent)
        return
    file = files.open(path, read_only=True)
    try:
        found = file.read(0, _TOPIC_BYTES_MAX)
    finally:
        file.close()
    if found != of.pack():
        raise InvalidValue(
            f"{path}: expected {of.pack().decode().strip()}, found {found.decode(errors='replace').strip()}: it "
            "mirrors other topics; name another data folder"
        )


def extend(log: Log, batches: Sequence[RawBatch]) -> None:
    """Write what is new of some batches, which may begin with those that the mirror has."""
    for batch in batches:
        if batch.first >= log.end:
            log.append(batch.data, batch.first, batch.count)


def mirror(log: Log, of: Mirrored, fetched: Fetched) -> list[RawBatch]:
    """Write what is new of it; gives that, in pieces of a size that is stepped at once."""
    end, batches = log.end, local_form(fetched.data)
    if batches and batches[0].first > end:
        raise CorruptState(
            f"{of.app}, partition {of.partition}: expected offset {end}, fetched {batches[0].first}: offsets of a "
            "topic are dense; was it compacted?"
        )
    extend(log, batches)
    return _joined([batch for batch in batches if batch.first >= end])


def _joined(batches: Sequence[RawBatch]) -> list[RawBatch]:
    """Batches that follow each other as few, each of about as much as is stepped at once."""
    pieces: list[list[RawBatch]] = []
    size = 0
    for batch in batches:
        if not pieces or size + len(batch.data) > GROUP_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(batch)
        size += len(batch.data)
    return [
        RawBatch(piece[0].first, sum(batch.count for batch in piece), b"".join(batch.data for batch in piece))
        for piece in pieces
    ]


async def reached_span(broker: Broker, at: TopicPartition, log: Log) -> Span:
    """What a mirror has was below the high watermark, which never falls: whoever leads the partition has all of that.

    Who has been frozen may take itself for the leader for a moment yet, and answer with what it had then.
    """
    looks, span = 1, await broker.span(at)
    while span.end < log.end and looks < LOOKS:
        await asyncio.sleep(LOOK_SECONDS)
        looks, span = looks + 1, await broker.span(at)
    if span.end >= log.end:
        return span
    raise CorruptState(
        f"{at}: expected records up to offset {log.end}, which were read from it before, found {span.end}: the "
        "brokers have lost them (an unclean election?), or the topic was made anew; an operator has to "
        "decide which copy counts"
    )


async def check_same(broker: Broker, at: TopicPartition, log: Log) -> None:
    """That the topic goes on from where the mirror ends: its last record is the topic's."""
    span = await reached_span(broker, at, log)
    if log.end < span.first:
        raise Gone(at, log.end, span)
    if log.end == log.first or log.end - 1 < span.first:
        return
    following = broker.follow(at, log.end - 1, f"check {at}")
    try:
        fetched = local_form((await following.take()).data)
    finally:
        following.close()
    found = next(batch for batch in fetched if batch.first <= log.end - 1 < batch.first + batch.count)
    if bytes(found.data) != log.read(log.end - 1, 1):
        raise CorruptState(
            f"{at}: expected at offset {log.end - 1} the record that was read from it before, found another: the topic "
            "was made anew, or the brokers have lost records; an operator has to decide which copy counts"
        )
