"""SIGTERM and SIGINT: what was submitted settles, the folder is closed, and the exit code says which it was."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from examples.bank import Account, Deposit, app
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


def test_a_start_that_is_given_up_leaves_no_file_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await bank.submit_many(Deposit, {"account": range(20_000), "amount": [1] * 20_000})
        await asyncio.sleep(0)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(8):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.004 * number), app.run(data=tmp_path, interpreted=True):
                    """It is open before its time is over."""
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(main())


def test_closing_that_is_cancelled_anywhere_closes_all_the_same(tmp_path: Path) -> None:
    async def run(steps: int) -> bool:
        """Cancel it after so many turns of the loop; whether it was over before."""

        async def main() -> None:
            async with app.run(data=tmp_path, partitions=2, interpreted=True) as bank:
                await bank.submit(Deposit(1, 1), until="logged")
                task.set_name("closing")

        task = asyncio.create_task(main())
        while task.get_name() != "closing":
            await asyncio.sleep(0)
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return not task.cancelled()

    async def main() -> None:
        steps = 0
        while not await run(steps):
            steps += 1 + steps // 8
        assert steps > 10

    asyncio.run(asyncio.wait_for(main(), 60))
