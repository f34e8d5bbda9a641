"""`mmsb log copy`: a partition's two logs, from a data folder or topics into others.

What is there already is held against the source, record by record, and has to be its begin. Then the rest follows,
first intents, then TLog, so that whatever was copied settles nothing that was not.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.files import Files
from mmsb.streams.folder import INTENTS, TLOG, Progress
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.copying.comparing import first_difference
from mmsb.streams.kafka.copying.destinations import Destination
from mmsb.streams.kafka.copying.tapes import FolderTape, Tape, TopicTape, check_whole, genesis_of
from mmsb.streams.kafka.topics import Topic


class Source(Protocol):
    def tape(self, partition: int, log: str) -> Tape: ...


class FolderSource:
    """Somebody may be running it: what is durable now is copied."""

    def __init__(self, files: Files, data: Path) -> None:
        self._files = files
        self._data = data

    def tape(self, partition: int, log: str) -> Tape:
        return FolderTape(self._files, self._data / str(partition), log)


class TopicSource:
    def __init__(self, broker: Broker, app: str) -> None:
        self._broker = broker
        self._app = app

    def tape(self, partition: int, log: str) -> Tape:
        return TopicTape(self._broker, TopicPartition(Topic(log).of(self._app), partition))


@dataclass(frozen=True)
class Copied:
    """Of one partition."""

    partition: int
    intents: int
    tlog: int
    found: int
    """How many records of both logs were there before, and are the same."""


@dataclass(frozen=True)
class Copy:
    genesis: Genesis
    partitions: list[Copied]
    missing: list[int]
    """Partitions that are not there yet: nobody should run it before."""


@dataclass(frozen=True)
class _Log:
    """One log to be copied: `found` records are there of `end`."""

    partition: int
    log: str
    source: Tape
    end: int
    found: int


async def copy(source: Source, to: Destination, partition: int | None, tell: Progress) -> Copy:
    """Copy one or all partitions, from where an earlier copy got to."""
    genesis = await genesis_of(source.tape(0, TLOG))
    numbers = _chosen(genesis, partition)
    await to.prepare(genesis, numbers)
    logs = [log for number in numbers for log in await _measure(source, to, number)]
    telling = _Telling(sum(log.end for log in logs), tell)
    for log in logs:
        await _compare(log, to.tape(log.partition, log.log), to.compared_from(log.found), telling)
    if any(log.found < log.end for log in logs):
        await to.begin()
        for log in logs:
            async with aclosing(log.source.read(log.found, log.end)) as batches:
                await to.write(log.partition, log.log, batches, telling.more)
        await _check_ends(to, logs)
    missing = [number for number in range(genesis.partition_count) if not await _is_whole(source, to, number, numbers)]
    await to.finish(whole=not missing)
    return Copy(genesis, [_copied(number, logs) for number in numbers], missing)


async def _is_whole(source: Source, to: Destination, number: int, copied: Sequence[int]) -> bool:
    """Whether a partition is there: those that were copied are."""
    if number in copied:
        return True
    for log in (TLOG, INTENTS):
        if (await source.tape(number, log).span()).end != (await to.tape(number, log).span()).end:
            return False
    return True


def _chosen(genesis: Genesis, partition: int | None) -> Sequence[int]:
    count = genesis.partition_count
    if partition is None:
        return range(count)
    if not 0 <= partition < count:
        raise InvalidValue(f"--partition: expected 0 to {count - 1}, found {partition}")
    return [partition]


async def _measure(source: Source, to: Destination, number: int) -> list[_Log]:
    """The TLog's end comes first: what it settles is in the intents by then."""
    measured = list[_Log]()
    for log in (TLOG, INTENTS):
        tape, there = source.tape(number, log), to.tape(number, log)
        span, found = await tape.span(), await there.span()
        check_whole(tape, span)
        check_whole(there, found)
        if found.end > span.end:
            raise InvalidValue(
                f"{there.name}: expected at most the {span.end} records of {tape.name}, found {found.end}: it is not a "
                "copy of that, or somebody has gone on with it; name another place"
            )
        measured.append(_Log(number, log, tape, span.end, found.end))
    return measured[::-1]


async def _compare(log: _Log, there: Tape, start: int, telling: "_Telling") -> None:
    async with aclosing(log.source.read(start, log.found)) as ours, aclosing(there.read(start, log.found)) as theirs:
        difference = await first_difference(ours, theirs, start)
    if difference is not None:
        raise CorruptState(
            f"{there.name}: expected at offset {difference} the record of {log.source.name}, found another: it is not "
            "a copy of that; name another place"
        )
    telling.more(log.found)


async def _check_ends(to: Destination, logs: Sequence[_Log]) -> None:
    for log in logs:
        end = (await to.tape(log.partition, log.log).span()).end
        if end != log.end:
            raise EnvironmentFailed(
                f"{to.tape(log.partition, log.log).name}: expected {log.end} records, all of which were copied, found "
                f"{end}: somebody else writes there; have nobody use it, remove it, and copy again"
            )


def _copied(number: int, logs: Sequence[_Log]) -> Copied:
    intents, tlog = (log for log in logs if log.partition == number)
    return Copied(number, intents.end, tlog.end, intents.found + tlog.found)


class _Telling:
    """How far it is, in records of all logs."""

    def __init__(self, total: int, tell: Progress) -> None:
        self._total = total
        self._tell: Callable[[int, int], None] = tell
        self._done = 0

    def more(self, count: int) -> None:
        self._done += count
        self._tell(self._done, self._total)
