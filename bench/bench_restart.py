"""How long a data folder is without an owner, and what a start costs: after a kill, by a spare, after a long history.

A history of many intents over a million accounts lies behind a home that was flushed at its end: a start must not
depend on it. It is made once and kept in `.cache/`, for as many intents as the disk has room for.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from bench.bank import Account, Deposit, Open, Transfer, app
from bench.engine_folder import CACHE, data_folder, room
from bench.figures import Figure, figure
from bench.harness import measure, progress, report, show
from bench.machine import load_average
from bench.replaying import replayed, written
from bench.takeover import Server, by_new_process, by_spare, owned, until_answered
from mmsb.kernels.jit import cache_folder
from mmsb.schemas.classes import page_layout_of

SEED: Final = 1
ACCOUNTS: Final = 1_000_000
INTENTS: Final = 100_000_000
AT_ONCE: Final = 500_000
INTENT_BYTES: Final = 180  # of both logs, and somewhat more
SPARE: Final = 8 << 30  # bytes of disk that are left to others
KILLS: Final = 100  # of owners that a spare follows, and of as many that a new process does
SHARES: Final = (90, 99, 100)  # of these, that took no longer
SMALL: Final = 100_000
STARTS: Final = 5
REPLAYED_MEGABYTES: Final = 400

SPARE_MS_AT_MOST: Final = 100
RESTART_AT_MOST: Final = 2.0
REPLAY_AT_LEAST: Final = 1_000

PAGE: Final = (page_layout_of(Account).type_id, (1).to_bytes(8, "little"))


def main() -> None:
    with data_folder(8 << 30) as folder:
        found = killing(folder / "killed")
        found.append(replaying(folder / "replayed"))
    found += restarting(*history())
    report("restart", {"seed": SEED, "accounts": ACCOUNTS, "load average": load_average()}, found)


# Kills


def killing(folder: Path) -> list[Figure]:
    """From the kill to a page that a client reads; nothing was submitted since the last flush."""
    asyncio.run(fill(folder, SMALL, SMALL))
    ways: dict[str, tuple[Callable[..., float], float | None]] = {
        "by a spare that waited": (by_spare, SPARE_MS_AT_MOST),
        "by a process started then": (by_new_process, None),
    }
    condition = f"{KILLS} times SIGKILL, to a page that a client reads; {SMALL:,} accounts"
    found: list[Figure] = []
    with owned(folder) as servers:
        for name, (way, most) in ways.items():
            taken = list[float]()
            for turn in range(1 + KILLS):
                progress(f"{turn}/{KILLS} kills, followed {name}")
                taken.append(1e3 * way(servers, folder, PAGE))
            what = f"from a kill to an answer, {name}"
            found.append(figure(what, "ms", taken[1:], condition=condition, at_most=most))
            for share in SHARES:
                longest = float(np.percentile(taken[1:], share))
                found.append(figure(f"{what}: {share} %", "ms", [longest], condition=condition))
    return show(*found)


# Replay


def replaying(folder: Path) -> Figure:
    """The TLog alone, from its first record on, as `mmsb replay` folds it: its files read, checked, and folded."""
    size = asyncio.run(written(folder, REPLAYED_MEGABYTES))
    condition = "changes of 1,024 bytes, files in the kernel's memory; checksums, chain and digests checked; one core"
    return measure("replay a TLog into verified state", "MB", size / 1e6, replayed, lambda: folder,
                   condition=condition, at_least=REPLAY_AT_LEAST)  # fmt: skip


# History


def history() -> tuple[Path, int]:
    """The folder that has it, and how many intents. What other kernels wrote, ours may not read: it is made anew."""
    kept = CACHE / f"history-{cache_folder().name}"
    if not kept.exists():
        for old in CACHE.glob("history-*"):
            shutil.rmtree(old)
        intents = min(INTENTS, (room(CACHE) - SPARE) // INTENT_BYTES // AT_ONCE * AT_ONCE)
        making = CACHE / "history-making"
        asyncio.run(fill(making, ACCOUNTS, intents))
        making.rename(kept)
    asked = asyncio.run(settled(kept))
    return kept, asked


async def settled(folder: Path) -> int:
    async with app.run(data=folder) as bus:
        return sum(part.settled + 1 for part in (await bus.stats()).partitions)


async def fill(folder: Path, accounts: int, intents: int) -> None:
    rng = np.random.default_rng(SEED)
    async with app.run(data=folder) as bus:
        for start in range(0, accounts, AT_ONCE):
            some = np.arange(start, min(start + AT_ONCE, accounts), dtype=np.uint64)
            await bus.submit_many(Open, {"account": some, "owner": [f"owner {number}" for number in some.tolist()]})
            await bus.submit_many(Deposit, {"account": some, "amount": 1_000_000_000})
        for done in range(2 * accounts, intents, AT_ONCE):
            progress(f"{done:,}/{intents:,} intents of history")
            src = rng.integers(0, accounts, min(AT_ONCE, intents - done), np.uint64)
            dst = (src + np.uint64(1)) % np.uint64(accounts)
            await bus.submit_many(Transfer, {"src": src, "dst": dst, "amount": rng.integers(1, 100, len(src))})


def restarting(folder: Path, intents: int) -> list[Figure]:
    """A new process, to its first answer: with the folder's files in the kernel's memory, and without."""
    condition = f"{ACCOUNTS:,} pages, {intents:,} intents of history, {log_bytes(folder) / 1e9:.1f} GB of logs"
    found: list[Figure] = []
    for name, forget in (("files in memory", False), ("files on the disk only", True)):
        taken = list[float]()
        for turn in range(STARTS):
            progress(f"{turn}/{STARTS} starts, {name}")
            if forget:
                forget_files(folder)
            begun = perf_counter()
            server = Server(folder)
            until_answered(folder, PAGE)
            taken.append(perf_counter() - begun)
            server.kill()
        found.append(figure(f"cold restart to the first answer, {name}", "s", taken, condition=condition,
                            at_most=RESTART_AT_MOST))  # fmt: skip
    return show(*found)


def log_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("0/*/*.log"))


def forget_files(folder: Path) -> None:
    """Have the kernel read a folder's files from the disk when they are asked for next."""
    for path in folder.rglob("*"):
        if path.is_file():
            number = os.open(path, os.O_RDONLY)
            os.fdatasync(number)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)


if __name__ == "__main__":
    main()
