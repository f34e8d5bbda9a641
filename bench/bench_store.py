"""The home of rows on a disk: flushes beside the disk's own writes, reading back, and who waits meanwhile.

Rows alone, ready as bytes: how pages become rows is in bench_bank.py. Rows of 16 KiB are buckets of a few pages of
4 KiB each, rows of 2 KiB those of small pages. RocksDB compacts meanwhile, as it does whenever flushes go on.
"""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import numpy as np

from bench.clocks import seconds_of
from bench.engine_folder import data_folder, touch_memory
from bench.figures import Figure, figure, times
from bench.harness import REPEATS, Case, measure_all, progress, report, show
from mmsb.state.store import PAGES, Row
from mmsb.streams.store.rocks import RocksCheckpoint, RocksStore

SEED: Final = 1
MEGABYTES: Final = 150  # of rows in a store, and of one flush that is timed
LARGE: Final = 16_384
SMALL: Final = 2_048
WARM_UPS: Final = 4  # turns until the kernel has memory for what files stay
APART: Final = 1.5  # seconds before each: flushes are seconds apart, and merging what came before is done by then
TOUCHED: Final = 3 * MEGABYTES * 1_000_000
CHUNK: Final = 1 << 20  # what the disk itself is given at once
FLUSHES: Final = 150  # of which the pauses are looked at,
FLUSH_MEGABYTES: Final = 10  # each so large, a random part of the rows,
EVERY: Final = 0.2  # and begun so many seconds after the one before
TICK: Final = 0.001
NEEDED: Final = 8 << 30  # bytes of disk

LARGE_AT_LEAST: Final = 0.6
SMALL_AT_LEAST: Final = 0.4
READ_AT_LEAST: Final = 500
PAUSE_99_AT_MOST: Final = 20
PAUSE_AT_MOST: Final = 60


@dataclass(frozen=True)
class Rows:
    """As many as a store has, each with one of a few values."""

    size: int
    keys: list[bytes]
    values: list[bytes]

    @classmethod
    def of(cls, size: int) -> "Rows":
        count = MEGABYTES * 1_000_000 // size
        return cls(size, [PAGES + number.to_bytes(8, "big") for number in range(count)], [os.urandom(size)] * 16)

    def all(self) -> Iterator[Row]:
        return ((key, self.values[key[-1] & 15]) for key in self.keys)

    def some(self, rng: np.random.Generator, megabytes: int) -> list[Row]:
        chosen = np.sort(rng.choice(len(self.keys), megabytes * 1_000_000 // self.size, replace=False))
        return [(self.keys[at], self.values[at & 15]) for at in chosen.tolist()]


def main() -> None:
    with data_folder(NEEDED) as folder:
        touch_memory(folder, 2 * MEGABYTES * 1_000_000)
        written = writing(folder)
        read = reading(folder)
        waited = asyncio.run(waiting(folder))
    settings = {"megabytes": MEGABYTES, "flushes": FLUSHES, "flush_megabytes": FLUSH_MEGABYTES, "seed": SEED}
    report("store", settings, [*written, *read, *waited])


def writing(folder: Path) -> list[Figure]:
    """Flushes of all rows, and the disk itself, in turns."""
    large, small = (opened(folder / name, Rows.of(size)) for name, size in (("large", LARGE), ("small", SMALL)))
    data = os.urandom(CHUNK)
    disk, *flushed = measure_all(
        Case("write a file and sync it", "MB", MEGABYTES, lambda path: write_file(path, data), lambda: fresh(folder)),
        flushing("flush rows of 16 KiB", folder, *large),
        flushing("flush rows of 2 KiB", folder, *small),
        warm_ups=WARM_UPS,
    )
    ratios = [
        times(f"{found.name}, beside the disk", found, disk, at_least=least)
        for found, least in zip(flushed, (LARGE_AT_LEAST, SMALL_AT_LEAST), strict=True)
    ]
    links = [linking(store, folder / f"linked-{number}") for number, (store, _) in enumerate((large, small))]
    for store, _ in (large, small):
        store.close()
    show(*ratios, *links)
    return [disk, *flushed, *ratios, *links]


def opened(folder: Path, rows: Rows) -> tuple[RocksStore, Rows]:
    folder.mkdir()
    return RocksStore(folder), rows


def rest(folder: Path) -> None:
    """Before each turn, and after whatever removes files: all find the disk idle, and memory in the same state.

    What a file leaves behind is taken again at once, at five times the speed of other free memory.
    """
    sleep(APART)
    touch_memory(folder, TOUCHED)


def fresh(folder: Path) -> Path:
    """Where no file is: to give back what an old one took is no part of writing."""
    path = folder / "file"
    path.unlink(missing_ok=True)
    rest(folder)
    return path


def write_file(path: Path, data: bytes) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    for _ in range(MEGABYTES * 1_000_000 // len(data)):
        os.write(number, data)
    os.fdatasync(number)
    os.close(number)


def flushing(name: str, folder: Path, store: RocksStore, rows: Rows) -> Case[Iterator[Row]]:
    def prepare() -> Iterator[Row]:
        rest(folder)
        return rows.all()

    return Case(name, "MB", MEGABYTES, store.ingest, prepare, f"all {MEGABYTES} MB of rows, in one flush")


def linking(store: RocksStore, target: Path) -> Figure:
    samples = [1e3 * seconds_of(store.checkpoint, target / str(turn)) for turn in range(REPEATS) if ready(target)]
    return figure(f"link a checkpoint ({target.name[-1]})", "ms", samples, condition=f"{MEGABYTES} MB, no copying")


def ready(folder: Path) -> bool:
    folder.mkdir(exist_ok=True)
    return True


def reading(folder: Path) -> list[Figure]:
    """All rows of a checkpoint, from opening it on."""
    return measure_all(
        *(
            Case(f"read all rows of {name}", "MB", MEGABYTES, read_all, lambda path=path: path, at_least=READ_AT_LEAST)
            for name, path in (("16 KiB", folder / "linked-0" / "0"), ("2 KiB", folder / "linked-1" / "0"))
        )
    )


def read_all(path: Path) -> None:
    checkpoint = RocksCheckpoint(path)
    size = sum(len(value) for _, value in checkpoint.rows(b"\x00", b"\xff"))
    assert size > 0.99e6 * MEGABYTES, "all rows were read"
    checkpoint.close()


async def waiting(folder: Path) -> list[Figure]:
    """How long the event loop stands still while another thread flushes, in each flush; and while nobody does."""
    store, rows = opened(folder / "waiting", Rows.of(LARGE // 2))
    store.ingest(rows.all())
    rng, loop, thread = np.random.default_rng(SEED), asyncio.get_running_loop(), ThreadPoolExecutor(1)
    quiet, flushed = list[float](), list[float]()
    for turn in range(FLUSHES):
        progress(f"{turn}/{FLUSHES} flushes")
        chosen = rows.some(rng, FLUSH_MEGABYTES)
        quiet.append(await longest_pause(asyncio.create_task(asyncio.sleep(EVERY))))
        flushed.append(await longest_pause(loop.run_in_executor(thread, store.ingest, chosen)))
    thread.shutdown()
    store.close()
    condition = f"{FLUSHES} flushes of {FLUSH_MEGABYTES} MB out of {MEGABYTES} MB, every {EVERY} s"
    worst, usual = (figure(name, "ms", [value], condition=condition, at_most=most) for name, value, most in (
        ("longest pause of the loop in any flush", max(flushed), PAUSE_AT_MOST),
        ("longest pause, 99th percentile of flushes", float(np.quantile(flushed, 0.99)), PAUSE_99_AT_MOST),
    ))  # fmt: skip
    others = [
        figure("longest pause in a flush", "ms", flushed, condition=condition),
        figure("longest pause between flushes", "ms", quiet, condition="what the machine itself does"),
    ]
    return show(usual, worst, *others)


async def longest_pause(work: asyncio.Future[Any]) -> float:
    """By how many milliseconds the loop came too late, at worst, until the work was done."""
    longest = 0.0
    while not work.done():
        begun = perf_counter()
        await asyncio.sleep(TICK)
        longest = max(longest, perf_counter() - begun - TICK)
    work.result()
    return 1e3 * longest


if __name__ == "__main__":
    main()
