"""Wrote the data folders in tests/golden/folders. `python -m tests.golden.make_folders NAME…` writes one anew.

Unlike other golden files they stay as they are: they say what releases long gone have left, with the times and nonces
of their day. A new layout gets a new shop and a new folder, and every shop since opens all that are older.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmsb.schemas.tlog.records import TlogKind
from mmsb.streams import opening
from mmsb.streams.files import RealFiles
from mmsb.streams.past.folding import fold_partition, list_partitions
from tests.golden import shop_1, shop_2

FOLDERS = Path(__file__).parent / "folders"
EXPECTED = "expected.json"
KEPT = ("intents", "tlog", "mark")  # of a partition: the rest can be made anew from these
HOUSED = ("home", "checkpoints")  # is kept as well, of one folder
NOTES = ("LOG*", "LOCK")  # RocksDB's own, of the machine that it ran on


async def first(folder: Path) -> None:
    """Items 0 to 9; of 3 half went to 12, 4 went and came again, 5 is gone, and one intent was refused."""
    async with shop_1.app.run(data=folder, partitions=2, interpreted=True) as shop:
        for item in range(10):
            await shop.submit(shop_1.Put(item, 10 * item, f"item {item}"), id=f"put-{item}", actor="ann", reason="new")
        await shop.submit(shop_1.Send(3, 12, 15), actor="bob")
        await shop.submit(shop_1.Remove(4))
        await shop.submit(shop_1.Put(4, 1, "again"))
        await shop.submit(shop_1.Remove(5))
        await shop.submit(shop_1.Send(1, 2, 1000))


async def housed(folder: Path) -> None:
    """The first, with a checkpoint of it, and a home that has more."""
    await first(folder)
    async with shop_1.app.run(data=folder, interpreted=True) as shop:
        await shop.checkpoint()
        await shop.submit(shop_1.Put(13, 6))
        await shop.submit(shop_1.Put(4, 2), id="late")


async def second(folder: Path) -> None:
    """The same, migrated by the second release, which goes on with it."""
    await first(folder)
    async with shop_2.app.run(data=folder, interpreted=True) as shop:
        await shop.submit(shop_2.Put(3, 5, "renamed"), actor="eve")
        await shop.submit(shop_2.Put(13, 6))
        await shop.submit(shop_2.Put(4, 2), id="late")


async def claimed(folder: Path) -> None:
    """The first, claimed by the second release, which died before it migrated."""
    await first(folder)
    append = opening.append_entry

    def dying(tlog: Any, entry: Any, time_ms: int) -> int:
        if entry.key == TlogKind.MIGRATE.key:
            raise InterruptedError
        return append(tlog, entry, time_ms)

    opening.append_entry = dying
    try:
        async with shop_2.app.run(data=folder, interpreted=True):
            raise AssertionError("it dies")
    except InterruptedError:
        opening.append_entry = append


MAKE: dict[str, Callable[[Path], Awaitable[None]]] = {
    "first": first, "second": second, "claimed": claimed, "housed": housed
}  # fmt: skip


def standing(folder: Path) -> list[dict[str, Any]]:
    """Of each partition, what its TLog comes to."""
    folds = [fold_partition(RealFiles(), partition) for partition in list_partitions(RealFiles(), folder).values()]
    return [
        {"settled": fold.settled, "head": fold.head.hex(), "digest": fold.digest.pack().hex(), "next": fold.next}
        for fold in folds
    ]


def main(names: list[str]) -> None:
    for name in names:
        assert not (FOLDERS / name).exists(), f"{name} is there, and stays as it is"
        with TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            asyncio.run(_make(name, folder))
            for partition in list_partitions(RealFiles(), folder).values():
                for part in partition.iterdir():
                    if part.name not in (KEPT + HOUSED if name == "housed" else KEPT):
                        shutil.rmtree(part)
                for note in (path for each in NOTES for path in (partition / "home").glob(each)):
                    note.unlink()
            for part in folder.iterdir():
                if not part.name.isdecimal():
                    part.unlink()
            (folder / EXPECTED).write_text(json.dumps(standing(folder), indent=1) + "\n", "utf-8")
            shutil.copytree(folder, FOLDERS / name)


async def _make(name: str, folder: Path) -> None:
    await MAKE[name](folder)


if __name__ == "__main__":
    main(sys.argv[1:])
