"""Indexes of sealed segments are made at leisure while intents wait, and keep nobody waiting who closes."""

import asyncio
from itertools import count

from mmsb.streams.files import Files
from mmsb.streams.folder import TLOG
from mmsb.streams.log.segments import list_bases
from mmsb.streams.past.index_file import pages_path
from mmsb.streams.past.keeper import Keeper
from mmsb.streams.world import RealWorld
from tests.past.folders import PARTITION, write_partition
from tests.proof.agreement import loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles

FOLDER = PARTITION / TLOG


class Slow(RealWorld):
    """Whatever is done takes a second."""

    def __init__(self, files: Files) -> None:
        super().__init__()
        self.files = files
        self._clock = count()

    def seconds(self) -> float:
        return next(self._clock)


class Everything:
    def __init__(self, end: int) -> None:
        self._end = end

    def accepted_tlog(self) -> int:
        return self._end


def sealed() -> tuple[Files, int]:
    """A log of some segments, and where it ends."""
    case, files = make_case(5, 60), VirtualFiles()
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 1))
    write_partition(files, entries, case.genesis.pack())
    return files, 1 + len(entries)


def indexes(files: Files) -> list[bool]:
    """Whether each segment has one."""
    return [files.exists(pages_path(FOLDER, base)) for base in list_bases(files, FOLDER)]


async def keep(files: Files, end: int, *, busy: bool) -> None:
    """Begin to make indexes, and close soon afterwards."""
    keeper = Keeper(Slow(files), 0, PARTITION, Everything(end), lambda: busy)
    making = asyncio.create_task(keeper.keep_index())
    await asyncio.sleep(0.2)
    *finished, growing = indexes(files)
    assert len(finished) > 5
    assert all(finished) != busy
    assert not growing
    making.cancel()
    await asyncio.wait_for(keeper.close(), 5)


def test_while_nobody_waits_every_sealed_segment_has_one_at_once() -> None:
    asyncio.run(keep(*sealed(), busy=False))


def test_while_intents_wait_it_rests_and_who_closes_does_not() -> None:
    files, end = sealed()
    asyncio.run(keep(files, end, busy=True))
    assert all(indexes(files)[:-1]), "what was begun is made to its end"
