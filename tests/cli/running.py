"""Data folders to ask about, and `mmsb` as another process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from examples.bank import Deposit, Open, Transfer, app
from tests.project.tree import ROOT

PARTED = """
import mmsb
from mmsb import i64, u64

app = mmsb.App("shop", generation=1)


@app.page(key=(u64, mmsb.text(8)), partition_by=0)
class Item(mmsb.Page):
    count: i64
    mark: bytes = mmsb.blob(2)


@app.intent
class Put(mmsb.Intent):
    shop: u64
    name: str = mmsb.text(8)
    count: i64 = 1

    def query(self):
        return Item[self.shop, self.name]

    def delta(self, item: Item) -> None:
        item.count += self.count
"""
"""An application of two classes, whose keys are tuples."""


async def fill(folder: Path) -> None:
    """Five accounts; then a transfer (offset 10), one that is refused (11), and one more opening of account 3 (12)."""
    async with app.run(data=folder, interpreted=True) as bank:
        for account in range(1, 6):
            await bank.submit(Open(account, f"owner {account}"), actor="alice", reason="opening", id=f"open-{account}")
        for account in range(1, 6):
            await bank.submit(Deposit(account, 100 * account), actor="bob")
        await bank.submit(Transfer(1, 2, 50), actor="alice", reason="rent", correlation="lease", causation="open-1")
        await bank.submit(Transfer(1, 2, 5_000), reason="too much")
        await bank.submit(Open(3, "somebody else"), id="open-3")


def make(folder: Path) -> Path:
    asyncio.run(fill(folder))
    return folder


def mmsb(*given: str | Path, stdin: str | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command line as a shell would."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "mmsb", *map(str, given)],
        input=stdin, cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}"}


def objects(text: str) -> list[dict[str, Any]]:
    """JSON lines, each an object."""
    return [json.loads(line) for line in text.splitlines()]


class Owner:
    """`mmsb run` over a folder, until it is left."""

    def __init__(self, folder: Path, spelled: str = "examples.bank:app", *options: str) -> None:
        self._command = [sys.executable, "-m", "mmsb", "run", spelled, "--data", str(folder), "--json", *options]

    def __enter__(self) -> "Owner":
        self.process = subprocess.Popen(
            [*self._command, "--interpreted"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        self.ready: dict[str, Any] = json.loads(line)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)

    def end(self, number: int) -> tuple[int, str, str]:
        """Its exit code, and what it printed since it was ready."""
        self.process.send_signal(number)
        said, complained = self.process.communicate(timeout=60)
        return self.process.returncode, said, complained
