"""Indexes of sealed segments are made at leisure while intents wait, and keep nobody waiting who closes."""

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mmsb.schemas.errors import CorruptState
from mmsb.streams.checkpoints.folder import CHECKPOINTS
from mmsb.streams.files import Files
from mmsb.streams.folder import TLOG
from mmsb.streams.log.segments import list_bases
from mmsb.streams.past.folding import fold_partition
from mmsb.streams.past.index_file import pages_path
from mmsb.streams.past.keeper import Keeper
from mmsb.streams.past.moments import Moment
from mmsb.streams.past.past import Past
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


class Removing:
    """A way to the past that finds its first file gone, of a checkpoint that is removed meanwhile, if there is one."""

    def __init__(self, files: Files, checkpoint: Path | None) -> None:
        self._files, self._checkpoint = files, checkpoint
        self.calls = 0

    def instead_of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def removing(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                if self._checkpoint is not None:
                    self._files.remove_folder(self._checkpoint)
                raise CorruptState("a file of a checkpoint is not there")
            return function(*arguments)

        return removing


@pytest.mark.parametrize("removed", [True, False])
@pytest.mark.parametrize("way", ["get", "scan"])
def test_who_finds_a_file_gone_asks_again_only_if_it_was_removed(
    monkeypatch: pytest.MonkeyPatch, way: str, removed: bool
) -> None:
    files, end = sealed()
    state = fold_partition(files, PARTITION).state
    type_id = min(layout.type_id for layout in state.layouts.values())
    checkpoint = PARTITION / CHECKPOINTS / f"{5:020}-{5:020}"
    for folder in (checkpoint.parent, checkpoint):
        files.make_folder(folder)
    removing = Removing(files, checkpoint if removed else None)
    monkeypatch.setattr(Moment, "pages", removing.instead_of(Moment.pages))
    monkeypatch.setattr(Past, "get_many", removing.instead_of(Past.get_many))

    async def main() -> list[Any]:
        keeper = Keeper(Slow(files), 0, PARTITION, Everything(end), lambda: False)
        try:
            if way == "scan":
                return [page async for pages in keeper.scan(type_id, 5) for page in pages]
            return await keeper.get([], 5)
        finally:
            await keeper.close()

    if removed:
        asyncio.run(main())
        assert removing.calls == 2
    else:
        with pytest.raises(CorruptState):
            asyncio.run(main())
        assert removing.calls == 1


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
