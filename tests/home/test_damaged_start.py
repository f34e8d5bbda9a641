"""A row of the home that is wrong, and is asked for first while a start folds what came after it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import mmsb
from mmsb import i64, u64
from mmsb.state.store import PAGES
from mmsb.streams.homes import DISTRUSTED
from mmsb.streams.store.rocks import RocksStore

app = mmsb.App("shelves", generation=1)


@app.page(key=u64)
class Shelf(mmsb.Page):
    items: i64


@app.intent
class Put(mmsb.Intent):
    shelf: u64

    def query(self):
        return Shelf[self.shelf]

    def delta(self, shelf: Shelf) -> None:
        shelf.items += 1


async def killed_behind_a_checkpoint(data: Path) -> None:
    async with app.run(data=data, interpreted=True) as bus:
        await bus.submit_many(Put, {"shelf": np.arange(500)})
        await bus.checkpoint()
        await bus.submit_many(Put, {"shelf": np.arange(500)})
        os._exit(0)


def test_a_start_that_finds_it_while_it_folds_has_the_next_one_begin_with_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-m", __name__, str(tmp_path)], check=True, timeout=60)
    partition, sound = tmp_path / "0", RocksStore.read

    def read(store: RocksStore, keys: Sequence[bytes]) -> list[bytes | None]:
        found = sound(store, keys)
        if (partition / "home.damaged-1").exists():
            return found
        return [
            row[:-1] + b"\x55" if row and name.startswith(PAGES) else row for name, row in zip(keys, found, strict=True)
        ]

    monkeypatch.setattr(RocksStore, "read", read)

    async def total() -> int:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            return (await bus.get(Shelf, 7)).items

    with pytest.raises(mmsb.CorruptState, match="its checksum fits"):
        asyncio.run(total())
    assert (partition / DISTRUSTED).exists()
    with pytest.warns(RuntimeWarning, match="begins with checkpoint"):
        assert asyncio.run(total()) == 2


if __name__ == "__main__":
    asyncio.run(killed_behind_a_checkpoint(Path(sys.argv[1])))
