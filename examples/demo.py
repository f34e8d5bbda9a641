"""What `make run` shows: a bank of ten thousand accounts, a million transfers, and then questions about them.

Part one is a program: it opens the bank of examples/bank.py over ./data/bank and submits transfers, a column for each
field. Part two asks the running bank with the command line, as anybody could from another terminal.
"""

import asyncio
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import mmsb
from examples.bank import Deposit, Open, Transfer, app
from mmsb.streams.world import FolderLock

DATA = Path("data") / "bank"
MADE_HERE = "made-by-make-run"  # the name of a file in it: only a folder with that file is ever deleted
SEED = 2026
ACCOUNTS = 10_000
TRANSFERS = 1_000_000
CALLS = 25
ROWS = TRANSFERS // CALLS
BAR_CELLS = 30


def say(text: str = "") -> None:
    print(text, flush=True)


def make_folder() -> None:
    """An empty folder. One that something else made is left alone."""
    if DATA.exists():
        if not (DATA / MADE_HERE).exists():
            sys.exit(f"{DATA} is there, and `make run` did not make it: move it away, then run this again")
        FolderLock(DATA).close()  # raises FolderInUse if a process runs it
        shutil.rmtree(DATA)
    DATA.mkdir(parents=True)
    (DATA / MADE_HERE).write_text("`make run` deletes this folder and makes it anew, each time.\n")


class Bar:
    """Drawn over itself on a terminal; elsewhere a line now and then."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._begun = time.monotonic()

    def tell(self, done: int) -> None:
        share = done / self._total
        cells = round(BAR_CELLS * share)
        rate = done / max(time.monotonic() - self._begun, 1e-9)
        line = f"  {self._what}  {'█' * cells}{'·' * (BAR_CELLS - cells)} {share:4.0%}  {rate:,.0f} per second"
        if sys.stdout.isatty():
            print(f"\r{line}\x1b[K", end="\n" if done == self._total else "", flush=True)
        elif done == self._total or done * 4 // self._total > (done - ROWS) * 4 // self._total:
            say(line)


class Stream:
    """Transfers, the same ones each time. One in a hundred repeats the id of an earlier one."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(SEED)
        self._made = 0

    def next(self, count: int) -> tuple[dict[str, Any], Any]:
        """Columns, and an id of 16 bytes for each, here two numbers."""
        columns = {
            "src": self._random.integers(0, ACCOUNTS, count, np.uint64),
            "dst": self._random.integers(0, ACCOUNTS, count, np.uint64),
            "amount": self._random.integers(0, 400, count),  # Transfer says that 0 is too little
        }
        numbers = np.arange(self._made, self._made + count)
        repeats = self._random.random(count) < 0.01
        back = self._random.integers(1, 50_000, int(repeats.sum()))
        numbers[repeats] = np.maximum(numbers[repeats] - back, 0)
        self._made += count
        return columns, np.stack([numbers, np.full(count, SEED)], axis=1).astype(np.uint64)


class Outcomes:
    """How many transfers settled how and why, and the last one of each kind."""

    def __init__(self) -> None:
        self._counts = Counter[tuple[str, str]]()
        self.last: dict[str, int] = {}

    def add(self, bank: mmsb.Bus, receipts: mmsb.Receipts) -> None:
        for status, count in receipts.counts.items():
            rows = np.flatnonzero(receipts.statuses == status)
            self.last[status.name.lower()] = int(receipts.offsets[rows[-1]])
            if status != mmsb.Status.REJECTED:
                self._counts[status.name.lower(), ""] += count
                continue
            same: list[bytes] = receipts.rejections.tolist()
            for rejection, times in Counter(same).items():
                row = int(rows[same.index(rejection)])
                receipt = mmsb.Receipt(0, int(receipts.offsets[row]), status, receipts.rejection(row))
                self._counts[status.name.lower(), bank.explain(receipt)] += times

    def show(self) -> None:
        for (status, why), count in sorted(self._counts.items()):
            say(f"  {count:>9,}  {status:<10} {why}".rstrip())


async def open_accounts(bank: mmsb.Bus) -> None:
    keys = np.arange(ACCOUNTS, dtype=np.uint64)
    await bank.submit_many(Open, {"account": keys, "owner": [f"owner {key}" for key in keys]}, actor="the demo")
    await bank.submit_many(Deposit, {"account": keys, "amount": 5_000}, actor="the demo", reason="opening balance")


async def transfer(bank: mmsb.Bus) -> Outcomes:
    stream, bar, outcomes = Stream(), Bar("transfers", TRANSFERS), Outcomes()
    for call in range(1, CALLS + 1):
        columns, ids = stream.next(ROWS)
        receipts = await bank.submit_many(Transfer, columns, ids=ids, actor="the demo", reason="a transfer")
        bar.tell(call * ROWS)
        outcomes.add(bank, receipts)
    return outcomes


async def ask(question: str, *command: str) -> str:
    """Run a command of the command line as another process, and show it and its answer."""
    say(f"\n{question}\n  $ mmsb {' '.join(command)}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mmsb", *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    for line in output.decode().splitlines():
        say(f"  {line}")
    if process.returncode:
        sys.exit(f"`mmsb {' '.join(command)}` ended with {process.returncode}; please report this")
    return output.decode()


async def ask_all(bank: mmsb.Bus, outcomes: Outcomes) -> None:
    data = str(DATA)
    opened = str(2 * ACCOUNTS - 1)  # each was opened and got its first deposit
    refusal, repeat = (str(outcomes.last[status]) for status in ("rejected", "duplicate"))
    await ask("What is account 7 now? Its epoch names the intent that changed it last.", "get", data, "Account", "7")
    await ask("Who gave it that balance, and why?", "blame", data, "Account", "7", "balance")
    await ask(
        "What was it before the first transfer? Any moment can be asked about.",
        "get",
        data,
        "Account",
        "7",
        "--at",
        opened,
    )
    await ask("Why was this one refused? Refusals are on record, too.", "log", data, "--from", refusal, "--limit", "1")
    await ask("And this one? Its id was there before.", "log", data, "--from", repeat, "--limit", "1")
    output = await ask("Does the log alone give the same state, byte for byte?", "replay", data)
    live = (await bank.stats()).partitions[0].digest
    if live not in output:
        sys.exit(f"the running bank has the digest {live}, and the replay another; please report this")
    say(f"\n  the running bank's digest: {live}. The replay's is the same.")
    await ask("Keep all of it as it is now, to go back to, or to carry to another machine.", "checkpoint", data)


async def main() -> None:
    begun = time.monotonic()
    say(f"A bank of {ACCOUNTS:,} accounts over {DATA}, which is made anew.")
    make_folder()
    say("Its code is being compiled: up to half a minute the first time, and a moment from then on.")
    async with app.run(data=DATA) as bank:
        await open_accounts(bank)
        say(f"\nThe first part: {TRANSFERS:,} transfers in {CALLS} calls. Each is on the disk before it counts.")
        outcomes = await transfer(bank)
        outcomes.show()
        say("\nThe second part: questions, asked from other processes while the bank runs.")
        await ask_all(bank, outcomes)
    mmsb_command = Path(sys.executable).with_name("mmsb")
    shown = mmsb_command.relative_to(Path.cwd()) if mmsb_command.is_relative_to(Path.cwd()) else mmsb_command
    say(f"\nDone in {time.monotonic() - begun:.0f} s. The bank has stopped, and {DATA} is yours. Try next:\n")
    say(f"  {shown} history {DATA} Account 7")
    say(f"  {shown} verify {DATA}")
    say(f"  {shown} run examples.bank:app --data {DATA}")


if __name__ == "__main__":
    asyncio.run(main())
