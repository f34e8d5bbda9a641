"""An application whose topics are a test's own, and its worker in a process of its own, to be killed and frozen.

    python -m tests.kafka.counting URL FOLDER NAME PARTITIONS interpreted|compiled

It says "works", and ends when its input does.
"""

import asyncio
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmsb
from mmsb import i64, u64
from tests.project.tree import ROOT


@dataclass(frozen=True)
class Counting:
    """Deposits, counted by account. Under whichever name, it compiles to the same code."""

    app: mmsb.App
    Account: Any
    Deposit: Any


def counting(name: str) -> Counting:
    app = mmsb.App(name)

    @app.page(key=u64)
    class Account(mmsb.Page):
        balance: i64 = mmsb.field(ge=0)
        moves: i64

    @app.intent
    class Deposit(mmsb.Intent):
        account: u64
        amount: i64

        def query(self):
            return Account[self.account]

        def delta(self, account: Account) -> None:
            account.balance += self.amount
            account.moves += 1

    return Counting(app, Account, Deposit)


async def work(url: str, folder: str, name: str, partitions: str, way: str) -> None:
    app, interpreted = counting(name).app, way == "interpreted"
    async with app.run(log=url, data=Path(folder), partitions=int(partitions), interpreted=interpreted):
        print("works", flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Worker:
    """That process."""

    def __init__(self, url: str, folder: Path, name: str, partitions: int = 1, way: str = "interpreted") -> None:
        command = [sys.executable, "-m", "tests.kafka.counting", url, str(folder), name, str(partitions), way]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"works\n", "it came as far as that"

    def kill(self) -> None:
        self.process.kill()
        self._close()

    def end(self) -> None:
        """As on a day without troubles."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._close()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def _close(self) -> None:
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
