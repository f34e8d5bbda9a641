"""SIGKILL at random moments: whoever was told that an intent settled finds it settled, once, after the next start."""

import asyncio
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import mmsb
from examples.bank import Account, Deposit, app
from tests.engine.killed import ACCOUNT, AT_ONCE, id_of
from tests.project.tree import ROOT

KILLS = 8
SEED = 5
LONGEST_S = 0.25


def killed_after(folder: Path, first: int, seconds: float) -> list[int]:
    """Run the service, kill it; gives the deposits of which it was told that they settled."""
    command = [sys.executable, "-m", "tests.engine.killed", str(folder), str(first)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
    said = child.stdout.read()
    child.stdout.close()
    assert child.wait() == -9, "it runs until it is killed"
    whole = said[: said.rindex("\n") + 1] if "\n" in said else ""
    return [int(line) for line in whole.splitlines()]


async def settled_again(folder: Path, numbers: range) -> tuple[set[int], int]:
    """Which deposits are known already when all are submitted once more, and the balance after that."""
    async with app.run(data=folder, interpreted=True) as bank:
        receipts = [await bank.submit(Deposit(ACCOUNT, 1), id=id_of(number)) for number in numbers]
        known = {n for n, r in zip(numbers, receipts, strict=True) if r.status == mmsb.Status.DUPLICATE}
        return known, (await bank.get(Account, ACCOUNT)).balance


@pytest.mark.slow
def test_what_was_told_survives_kills_and_nothing_applies_twice(tmp_path: Path) -> None:
    rng = Random(SEED)
    told: set[int] = set()
    first = 0
    for _ in range(KILLS):
        told |= set(killed_after(tmp_path, first, rng.uniform(0.01, LONGEST_S)))
        first = max(told, default=-1) // AT_ONCE * AT_ONCE + 2 * AT_ONCE
    known, balance = asyncio.run(settled_again(tmp_path, range(first + AT_ONCE)))
    assert told
    assert told <= known
    assert balance == first + AT_ONCE
