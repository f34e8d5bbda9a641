"""Opens all partitions of a data folder on threads: the first, which knows how many there are, then the others at once.

Partition 0 is made first, and all of them before anything is logged. So a crash in between is mended by going on, and
a partition that is missing beside one that has intents was removed: it is not made anew.
"""

import asyncio
from pathlib import Path

from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.streams.beginning import Wanted
from mmsb.streams.files import Files
from mmsb.streams.folder import INTENTS, TLOG, Progress
from mmsb.streams.kafka.partitions.mirror import is_mirror
from mmsb.streams.log.segments import list_bases
from mmsb.streams.opening import Code, Opened, open_partition
from mmsb.streams.world import Worker, World


async def open_partitions(world: World, folder: Path, wanted: Wanted, code: Code, tell: Progress) -> list[Opened]:
    """`wanted` is what partition 0 should be. Whoever fails or is cancelled leaves no file open."""
    check_first(world.files, folder)
    opening = _Opening(world, folder, code, tell)
    try:
        await opening.open([wanted])
        genesis = opening.opened[0].fold.genesis
        count = genesis.partition_count
        check_others(world.files, folder, count)
        await opening.open(
            [Wanted(wanted.app, number, count, genesis.window, genesis.log_id) for number in range(1, count)]
        )
        check_follow_ups(folder, [opening.opened[number] for number in range(count)])
    except BaseException:
        for part in opening.opened.values():
            part.close()
        raise
    return [opening.opened[number] for number in range(count)]


class _GivenUp(Exception):
    """Ends a thread whose caller has gone."""


class _Opening:
    def __init__(self, world: World, folder: Path, code: Code, tell: Progress) -> None:
        self._world = world
        self._folder = folder
        self._code = code
        self._tell = tell
        self._given_up = False
        self.opened: dict[int, Opened] = {}  # filled by the threads: what they open is closed even if nobody waits

    async def open(self, wanted: list[Wanted]) -> None:
        workers = [self._world.worker(f"open-{each.partition}") for each in wanted]
        try:
            await self._open_on(workers, wanted)
        except BaseException:
            self._given_up = True
            raise
        finally:
            for worker in workers:
                worker.close()

    async def _open_on(self, workers: list[Worker], wanted: list[Wanted]) -> None:
        calls = [worker.run(self._open, each) for worker, each in zip(workers, wanted, strict=True)]
        for failure in await asyncio.gather(*calls, return_exceptions=True):
            if failure is not None:
                raise failure

    def _open(self, wanted: Wanted) -> None:
        folder = self._folder / str(wanted.partition)
        self.opened[wanted.partition] = open_partition(self._world, folder, wanted, self._code, self._told)

    def _told(self, done: int, total: int) -> None:
        """Between two pieces of a log, which may take minutes to fold."""
        if self._given_up:
            raise _GivenUp
        self._tell(done, total)


def check_first(files: Files, folder: Path) -> None:
    """Before anything is made: that the logs are its own, and that partition 0 is there if any other is."""
    mirrors = [number for number in _numbers(files, folder) if is_mirror(files, folder / str(number))]
    if mirrors:
        raise InvalidValue(
            f"{folder}: expected logs of its own, found mirrors of topics in {_listed(mirrors)}: run it with their "
            'cluster, log="kafka://…" or --log; or, if it is a copy that was cut short, copy on: mmsb log copy'
        )
    others = [number for number in _numbers(files, folder) if number and _has(files, folder, number, TLOG)]
    if others and not _has(files, folder, 0, TLOG):
        raise CorruptState(
            f"{folder}: expected the TLog of partition 0, which is made before all others, found only those of "
            f"{_listed(others)}: something removed it; restore a good copy"
        )


def check_others(files: Files, folder: Path, count: int) -> None:
    """Once it is known how many partitions there are: that there are no others, and all that there were."""
    numbers = _numbers(files, folder)
    if max(numbers, default=0) >= count:
        raise CorruptState(
            f"{folder}: expected partitions 0 to {count - 1}, found {max(numbers)} as well: folders were "
            "mixed up; restore a good copy"
        )
    begun = [number for number in range(count) if _has(files, folder, number, INTENTS)]
    missing = [number for number in range(count) if not _has(files, folder, number, TLOG)]
    if begun and missing:
        raise CorruptState(
            f"{folder}: expected the TLogs of partitions 0 to {count - 1}, since intents are logged in partition "
            f"{begun[0]}, found none of {_listed(missing)}: something removed it; restore a good copy"
        )


def check_follow_ups(folder: Path, opened: list[Opened]) -> None:
    """That no partition is older than what others have of it: what it emitted next would be dropped as a duplicate."""
    states = [part.fold.state for part in opened]
    for source, state in enumerate(states):
        for target, other in enumerate(states):
            counted = other.mark(FOLLOW_UP, source_of_follow_up(state.genesis.log_id, source))
            if counted > state.sent(target):
                raise CorruptState(
                    f"{folder / str(source)}: expected {counted} follow-ups to partition {target}, which has counted "
                    f"them, found {state.sent(target)}: it is older than the others; restore all partitions from the "
                    "same good copy"
                )


def _numbers(files: Files, folder: Path) -> list[int]:
    return sorted(int(name) for name in files.names(folder) if name.isdecimal())


def _has(files: Files, folder: Path, number: int, log: str) -> bool:
    """Whether a partition's log was begun."""
    return bool(list_bases(files, folder / str(number) / log))


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
