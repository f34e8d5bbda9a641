"""The home of pages: flushes and checkpoints beside the disk's own writes, and a start from a checkpoint.

Pages go from memory to synced rows, and a checkpoint of them becomes a partition that answers. Rows alone are in
bench_store.py, what callers notice meanwhile in bench_flushing.py.
"""

import asyncio
import os
from pathlib import Path
from time import perf_counter
from typing import Final
from unittest.mock import patch

import numpy as np

import mmsb
from bench.bench_store import WARM_UPS, fresh, rest, write_file
from bench.engine_folder import data_folder, touch_memory
from bench.figures import Figure, figure, times
from bench.harness import Case, measure_all, progress, report, show
from bench.home_pages import BYTES, MEMORY, Large, Small, app, at_home, change, count_of, filled, flush_all
from bench.machine import load_average
from mmsb.schemas.classes import page_layout_of
from mmsb.streams.checkpoints import archive
from mmsb.streams.checkpoints.creating import link_checkpoint, seal_checkpoint
from mmsb.streams.checkpoints.folder import (
    CHECKPOINTS,
    ROWS,
    list_names,
    read_manifest,
    remove_checkpoint,
    remove_tree,
)
from mmsb.streams.checkpoints.installing import begin_logs, install
from mmsb.streams.checkpoints.manifest import Cause
from mmsb.streams.checkpoints.verifying import verify_checkpoint
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import HOME
from mmsb.streams.opening import Opened
from mmsb.streams.world import RealWorld

MEGABYTES: Final = 150
RESTORED: Final = (50, 150, 1_000)
SEED: Final = 1
TURNS: Final = 5  # of what takes long
LEVELS: Final = (1, 3, 6, 9, 15)
PART: Final = 0.01  # of the pages change between two checkpoints
NEEDED: Final = 12 << 30  # bytes of disk

FLUSH_AT_LEAST: Final[dict[type[mmsb.Page], float]] = {Large: 0.6, Small: 0.4}
RESTORE_AT_LEAST: Final = 500
FIRST_AT_MOST: Final = {150: 1.0}  # seconds, by megabytes


def main() -> None:
    found: list[Figure] = []
    with data_folder(NEEDED) as folder:
        touch_memory(folder, 4 * MEGABYTES * 1_000_000)
        for page in (Large, Small):
            progress(f"fill {MEGABYTES} MB of {page.__name__}")
            filled(folder / page.__name__, page, MEGABYTES)
            found += writing(folder / page.__name__, page)
            found.append(asyncio.run(adding(folder / page.__name__, page)))
        found += exporting(folder / "Small")
        for megabytes in RESTORED:
            progress(f"fill {megabytes} MB to be restored")
            found += restoring(filled(folder / f"restored-{megabytes}", Large, megabytes), megabytes)
    report("home", {"megabytes": MEGABYTES, "seed": SEED, "load average": load_average()}, found)


def name_of(page: type[mmsb.Page]) -> str:
    return f"pages of {BYTES[page]:,} bytes"


def writing(folder: Path, page: type[mmsb.Page]) -> list[Figure]:
    """All pages as if each had changed, in turns with the disk itself; and a checkpoint of them."""
    data, size, name = os.urandom(1 << 20), MEGABYTES, name_of(page)
    with at_home(folder) as opened:
        opened.home.bring_type(page_layout_of(page).type_id)
        disk, flushed, checkpointed = measure_all(
            Case(f"write a file and sync it, beside {name}", "MB", size, lambda path: write_file(path, data),
                 lambda: fresh(folder)),
            Case(f"flush {name}", "MB", size, lambda _: flush_all(opened, page),
                 lambda: rest(folder), "from memory to synced rows"),
            Case(f"checkpoint of {name}", "MB", size, lambda _: flush_and_link(opened, page, folder / "0"),
                 lambda: forget_draft(folder), "the same, and its rows linked"),
            warm_ups=WARM_UPS,
        )  # fmt: skip
        seals = [sealing(opened, folder / "0") for _ in range(TURNS)]
    ratios = [
        times(f"{found.name}, beside the disk", found, disk, at_least=FLUSH_AT_LEAST[page])
        for found in (flushed, checkpointed)
    ]
    condition = f"{size} MB, on a thread of its own: every row read and digested, every file hashed and synced"
    return [
        disk,
        flushed,
        checkpointed,
        *show(*ratios, figure(f"verify and seal {name}", "s", seals, condition=condition)),
    ]


def forget_draft(folder: Path) -> None:
    """Remove what the turn before linked: there, an owner would have a checkpoint that it keeps."""
    files, partition = RealFiles(), folder / "0"
    for name in files.names(partition / CHECKPOINTS) if files.exists(partition / CHECKPOINTS) else ():
        remove_tree(files, partition / CHECKPOINTS / name)
    rest(folder)


def flush_and_link(opened: Opened, page: type[mmsb.Page], partition: Path) -> Path:
    flush_all(opened, page)
    return link_checkpoint(RealWorld(), partition, opened.store)


def sealing(opened: Opened, partition: Path) -> float:
    """Seconds from a draft to a checkpoint that is listed, of a state that had none."""
    world = RealWorld()
    for known in list_names(world.files, partition):
        remove_checkpoint(world.files, partition, known)
    draft = link_checkpoint(world, partition, opened.store)
    begun = perf_counter()
    seal_checkpoint(world, partition, draft, Cause("command"))
    return perf_counter() - begun


async def adding(folder: Path, page: type[mmsb.Page]) -> Figure:
    """What a checkpoint adds to the disk when a hundredth of the pages has changed since the one before."""
    rng, count = np.random.default_rng(SEED), count_of(page, MEGABYTES)
    added = list[float]()
    async with app.run(data=folder, memory=MEMORY) as bus:
        await bus.checkpoint()
        for _ in range(TURNS):
            before = files_of(folder / "0")
            keys = rng.choice(count, int(count * PART), replace=False)
            await change(bus, page, keys)
            await bus.checkpoint()
            after = files_of(folder / "0")
            added.append(sum(after[file] for file in after.keys() - before.keys()) / 1e6)
    condition = f"1 % of {MEGABYTES} MB changed, which is {int(count * PART):,} random pages, and their ids and marks"
    return show(figure(f"added by the next checkpoint, {name_of(page)}", "MB", added, condition=condition))[0]


def files_of(partition: Path) -> dict[int, int]:
    """The files of rows of all checkpoints, however often they are linked: what each is, and its size."""
    stats = [path.stat() for path in (partition / CHECKPOINTS).glob(f"*/{ROWS}/*")]
    return {stat.st_ino: stat.st_size for stat in stats}


def exporting(folder: Path) -> list[Figure]:
    """An archive of the newest checkpoint, at several levels of zstd."""
    files, partition = RealFiles(), folder / "0"
    checkpoint = partition / CHECKPOINTS / list_names(files, partition)[0]
    found: list[Figure] = []
    for level in LEVELS:
        target = folder / f"level-{level}"
        begun = perf_counter()
        with patch.object(archive, "LEVEL", level):
            manifest = archive.export_checkpoint(files, checkpoint, target)
        took, share = perf_counter() - begun, target.stat().st_size / manifest.size
        chosen = " (what export uses)" if level == archive.LEVEL else ""
        condition = f"{manifest.size / 1e6:,.0f} MB of rows of small pages become {share:.0%}"
        found.append(
            figure(f"export at level {level}{chosen}", "MB/s", [manifest.size / 1e6 / took], condition=condition)
        )
    return show(*found)


def restoring(folder: Path, megabytes: int) -> list[Figure]:
    """A partition is made of a checkpoint and opened; then one page is read, and then all of them."""
    world, name = RealWorld(), f"{megabytes:,} MB"
    with at_home(folder) as opened:
        draft = link_checkpoint(world, folder / "0", opened.store)
        checkpoint = seal_checkpoint(world, folder / "0", draft, Cause("command"))
    first, whole, checked = list[float](), list[float](), list[float]()
    for turn in range(1 + TURNS):
        progress(f"{turn}/{TURNS} restore {name}")
        answered, brought = restored(checkpoint, folder / f"restored-{turn}", count_of(Large, megabytes))
        begun = perf_counter()
        verify_checkpoint(world, checkpoint)
        for times_taken, taken in ((first, answered), (whole, brought), (checked, perf_counter() - begun)):
            times_taken.append(taken)
    rates = [megabytes / (answered + brought) for answered, brought in zip(first[1:], whole[1:], strict=True)]
    condition = f"{name} of {name_of(Large)}, in a warm process: linked, opened"
    return show(
        figure(f"restore {name}, to the first answer", "s", first[1:], condition=f"{condition}, and one page read",
               at_most=FIRST_AT_MOST.get(megabytes)),
        figure(f"restore {name}, to the first answer, by bytes of state", "MB/s",
               [megabytes / taken for taken in first[1:]], condition="the same", at_least=RESTORE_AT_LEAST),
        figure(f"restore {name}, until all pages are in memory", "MB/s", rates,
               condition=f"{condition}, and all pages read"),
        figure(f"verify the checkpoint of {name}", "MB/s", [megabytes / taken for taken in checked[1:]],
               condition="every file hashed, every row read and digested; `mmsb checkpoint verify`"),
    )  # fmt: skip


def restored(checkpoint: Path, folder: Path, count: int) -> tuple[float, float]:
    """Seconds until a page was read, and then until all of them were."""
    files, partition = RealFiles(), folder / "0"
    manifest = read_manifest(files, checkpoint)
    begun = perf_counter()
    partition.mkdir(parents=True)
    install(files, checkpoint, partition / HOME, manifest)
    begin_logs(files, partition, manifest.facts)
    with at_home(folder) as opened:
        page = (page_layout_of(Large).type_id, (count // 2).to_bytes(8, "little"))
        opened.home.bring_pages([page])
        assert opened.writer.fold.state.read_page(*page) is not None, "it was there when the checkpoint was made"
        answered = perf_counter() - begun
        begun = perf_counter()
        opened.home.bring_type(page[0])
        return answered, perf_counter() - begun


if __name__ == "__main__":
    main()
