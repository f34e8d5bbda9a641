"""The load of the compose file counts each deposit once, as it says, whatever becomes of the workers."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from examples.bank import Account, app
from tests.cli.running import Owner, environment
from tests.project.tree import ROOT


def total(data: Path) -> int:
    async def add() -> int:
        async with app.run(data=data, interpreted=True) as bank:
            return sum([page.balance async for _, page in bank.scan(Account)])

    return asyncio.run(add())


def test_the_balances_add_up_to_what_the_load_says(tmp_path):
    data = tmp_path / "data"
    command = [sys.executable, "-m", "examples.load", str(data), "20"]
    with (
        Owner(data),
        subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as load,
    ):
        assert load.stdout is not None
        assert load.stdout.readline() == "all accounts are open\n"
        load.send_signal(signal.SIGTERM)
        *_, last = load.stdout
        assert load.wait(timeout=60) == 0

    words = last.split()
    assert words[0] == "ended:"
    assert int(words[1]) == total(data) > 0
