"""SIGTERM and SIGINT: what was submitted settles, the folder is closed, and the exit code says which it was."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.bank import Account, app
from tests.project.tree import ROOT


def stopped(way: str, folder: Path, sign: signal.Signals) -> tuple[int, list[str], str]:
    """Run a program, tell it to stop when it is ready; gives its exit code and what it said."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.stopped", way, str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.2)
    child.send_signal(sign)
    out, err = child.communicate(timeout=30)
    return child.returncode, out.split(), err


async def balance(folder: Path) -> int:
    async with app.run(data=folder, interpreted=True) as bank:
        return (await bank.get(Account, 1)).balance


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_server_leaves_its_block_and_ends_well(tmp_path: Path, sign: signal.Signals) -> None:
    assert stopped("serve", tmp_path, sign) == (0, ["closed"], "")
    assert asyncio.run(balance(tmp_path)) == 1
    assert not (tmp_path / "socket").exists()


def test_a_program_that_knows_no_signals_is_closed_as_well(tmp_path: Path) -> None:
    code, told, err = stopped("work", tmp_path, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert err == ""
    assert told
    assert asyncio.run(balance(tmp_path)) >= int(told[-1])
    assert not (tmp_path / "socket").exists()
