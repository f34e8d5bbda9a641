"""The load of the compose file counts each deposit once, as it says, whatever becomes of the workers."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from examples.bank import Account, app
from tests.cli.running import Owner, environment
from tests.project.tree import ROOT


def total(data: Path) -> int:
    async def add() -> int:
        async with app.run(data=data, interpreted=True) as bank:
            return sum([page.balance async for _, page in bank.scan(Account)])

    return asyncio.run(add())


def hear(said: IO[str], words: str) -> None:
    for line in said:
        if words in line:
            return
    raise AssertionError(f"it never said {words}")


def test_the_balances_add_up_to_what_the_load_says_though_its_owner_is_killed(tmp_path):
    data = tmp_path / "data"
    command = [sys.executable, "-m", "examples.load", str(data), "20"]
    with (
        Owner(data) as first,
        subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as load,
    ):
        assert load.stdout is not None
        hear(load.stdout, "all accounts are open")
        first.end(signal.SIGKILL)
        hear(load.stdout, "connecting again")
        with Owner(data):
            hear(load.stdout, "connected")
            load.send_signal(signal.SIGTERM)
            *_, last = load.stdout
            assert load.wait(timeout=60) == 0

    words = last.split()
    assert (words[0], words[2:]) == ("ended:", ["deposits", "settled"])
    assert int(words[1]) == total(data) > 0


def test_a_load_that_is_stopped_while_nobody_runs_says_what_it_does_not_know(tmp_path):
    command = [sys.executable, "-m", "examples.load", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        hear(load.stdout, "connecting again")
        load.send_signal(signal.SIGTERM)
        *_, last = load.stdout
        assert load.wait(timeout=60) == 0

    assert last == "ended: 0 deposits settled, and of 100 intents the outcome is unknown\n"
