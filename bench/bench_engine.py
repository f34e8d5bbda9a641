"""The embedded engine as its users meet it: over real logs on a real disk, durability `fsync`.

All of it is time on the wall: what a caller waits for is disks, threads and the event loop as well.
"""

import asyncio
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from bench.bank import Deposit, app
from bench.engine_bank import ACCOUNTS, Transfers, check_money, draw, open_accounts
from bench.engine_child import ready, run_child
from bench.engine_folder import CACHE, data_folder, file_system, rest
from bench.engine_loads import many
from bench.engine_memory import beyond_state, steady_load
from bench.engine_rivals import TOGETHER, Redis, Rival, Sqlite, redis_server
from bench.engine_singles import in_process, through_the_socket
from bench.figures import Figure, figure, times
from bench.harness import progress, report, show
from bench.traffic import FUNDS, REJECTS

SEED: Final = 1
AT_ONCE: Final = 1_000_000  # transfers in one submit_many
CALLS: Final = 10  # after one that warms up; together they make the log that is folded
BESIDE: Final = 20_000  # of a call's transfers go to the rivals, who take longer,
RIVAL_CALLS: Final = 4  # in as many turns, the first of which warms up
FOLDS: Final = 3
STARTS: Final = 5
SMALL: Final = 10_000
LOAD_SECONDS: Final = 20
LOG_BYTES: Final = 5 << 29  # what the logs take, and somewhat more
TOUCHED: Final = 1 << 30  # bytes of memory for the files that a call writes

PAUSE: Final = "longest pause of the event loop meanwhile"


def main() -> None:
    with data_folder(2 * LOG_BYTES) as folder:
        log = asyncio.run(columns(folder))
        found = [*log.figures, *folding(folder / "data", log.deltas)]
    with data_folder() as folder:
        found += asyncio.run(in_process(folder / "data"))
        found += asyncio.run(through_the_socket(folder / "served"))
        found += starting(folder / "small")
    with data_folder() as folder:
        found += steady_load(folder / "data", LOAD_SECONDS)
    report("engine", settings(), found)


def settings() -> dict[str, object]:
    return {
        "seed": SEED,
        "accounts": ACCOUNTS,
        "refused": REJECTS,
        "durability": "fsync",
        "file system": file_system(CACHE),
        "SQLite": sqlite3.sqlite_version,
        "Redis": "measured" if redis_server() else "not installed here",
    }


@dataclass
class Columns:
    """What was seen while the log of many intents grew, and how many deltas are in it."""

    figures: list[Figure] = field(default_factory=list[Figure])
    deltas: int = 2 * ACCOUNTS


async def columns(folder: Path) -> Columns:
    """Calls of submit_many, each after the same transfers, or some of them, went into SQLite and Redis."""
    rng = np.random.default_rng(SEED)
    log, rates, pauses = Columns(), list[float](), list[float]()
    with ExitStack() as stack:
        rivals = open_rivals(folder, stack)
        beside: list[list[float]] = []
        async with app.run(data=folder / "data") as bus:
            await open_accounts(bus)
            for call in range(1 + CALLS):
                asked = draw(rng, AT_ONCE)
                if call < RIVAL_CALLS:
                    beside.append(settle_beside(rivals, asked.upto(BESIDE)))
                progress(f"{call}/{CALLS} submit_many")
                rest(folder, TOUCHED)
                rate, pause = await many(bus, asked)
                rates.append(rate)
                pauses.append(1e3 * pause)
                log.deltas += 2 * asked.applied
            await check_money(bus)
    progress("")
    condition = f"{AT_ONCE:,} transfers with ids in a call, to settled"
    ours = figure("submit_many", "intents/s", rates[1:], condition=condition, at_least=1.5e6)
    log.figures = show(
        ours,
        figure(PAUSE, "ms", pauses[1:], condition="longest in each call; a task asks for 1 ms", at_most=20),
        *compared(rivals, beside[1:], rates[1:RIVAL_CALLS]),
    )
    return log


def open_rivals(folder: Path, stack: ExitStack) -> list[Rival]:
    rivals: list[Rival] = [Sqlite(folder, "wal"), Sqlite(folder, "delete")]
    if redis_server() is not None:
        rivals.append(Redis(folder))
    for rival in rivals:
        stack.callback(rival.close)
    return rivals


def settle_beside(rivals: list[Rival], asked: Transfers) -> list[float]:
    rates = list[float]()
    for rival in rivals:
        progress(rival.name)
        rates.append(rival.settle(asked))
    return rates


def compared(rivals: list[Rival], rates: list[list[float]], ours: list[float]) -> list[Figure]:
    """Each rival, and how many times as fast submit_many was in the same turns."""
    reference = figure("submit_many", "intents/s", ours)
    found: list[Figure] = []
    for rival, taken in zip(rivals, zip(*rates, strict=True), strict=True):
        condition = f"the first {BESIDE:,} of the same transfers, {TOGETHER:,} {rival.together}"
        theirs = figure(rival.name, "transfers/s", taken, condition=condition)
        found += [theirs, times(f"submit_many beside {rival.name}", reference, theirs, at_least=1)]
    return found


def folding(data: Path, deltas: int) -> list[Figure]:
    """Start on the log that is there, each time in a new process."""
    intents = (1 + CALLS) * AT_ONCE + 2 * ACCOUNTS
    found = [run_child("fold", data) for _ in range(FOLDS)]
    condition = f"a log of {intents:,} intents, code from the cache"
    return show(
        figure(
            "start by folding", "deltas/s", [deltas / each["open"] for each in found],
            condition=f"{condition}: {deltas:,} deltas", at_least=5e6,
        ),
        figure("start by folding, as a whole", "s", [each["open"] for each in found], condition=condition),
        *beyond_state("memory, idle after folding", found, condition),
    )  # fmt: skip


def starting(data: Path) -> list[Figure]:
    """Start on a small log, each time in a new process."""
    asyncio.run(small_log(data))
    found: list[float] = []
    for _ in range(STARTS):
        with ready("one", data) as seconds:
            found.append(seconds)
    condition = f"a log of {SMALL:,} intents; a new process, from its start to its first settled intent"
    return show(figure("later start on a small log", "s", found, condition=condition, at_most=1))


async def small_log(data: Path) -> None:
    async with app.run(data=data) as bus:
        await bus.submit_many(Deposit, {"account": np.arange(SMALL, dtype=np.uint64), "amount": FUNDS})


if __name__ == "__main__":
    main()
