"""An owner is frozen and goes on: it has no times that run out, so nothing breaks and nothing is told twice."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

import mmsb
from examples.bank import app
from mmsb.cli.exits import Exit
from tests.faults import owners as forked
from tests.faults.clients import ROUNDS, Heard, judge, work
from tests.faults.owners import Owners

pytestmark = pytest.mark.slow

CHECKPOINT_SECONDS = 0.2
FROZEN_SECONDS = 5 * CHECKPOINT_SECONDS  # longer than whatever the owner waits for, here


async def _work_and_freeze(data: Path, process: int) -> Heard:
    heard = Heard()

    async def freeze() -> float:
        """While a round waits for its receipts."""
        os.kill(process, signal.SIGSTOP)
        before = len(heard.told)
        await asyncio.sleep(FROZEN_SECONDS)
        assert len(heard.told) <= before + 4, "who is frozen tells nothing that was not on its way"
        os.kill(process, signal.SIGCONT)
        return time.monotonic()

    async def between(number: int) -> None:
        if number % 3 == 0:
            freezing.append(asyncio.create_task(freeze()))

    freezing: list[asyncio.Task[float]] = []
    async with asyncio.timeout(40):
        while not (data / "socket").exists():
            await asyncio.sleep(0.01)
        async with mmsb.connect(data, app) as bank:
            await work(bank, heard, between)
        await asyncio.gather(*freezing)
    assert len(freezing) > 1
    return heard


def test_an_owner_that_was_frozen_past_its_schedules_goes_on_where_it_was(owners: Owners, tmp_path: Path) -> None:
    """Its flushes and checkpoints are long due when it wakes."""
    assert forked.FLUSH_SECONDS < CHECKPOINT_SECONDS < FROZEN_SECONDS
    data, errors = tmp_path / "data", tmp_path / "errors"
    often = ["--checkpoint-seconds", str(CHECKPOINT_SECONDS)]
    process = owners.begin(["run", "examples.bank:app", "--data", str(data), "--interpreted", *often], errors)
    owners.go()
    heard = asyncio.run(_work_and_freeze(data, process))
    assert heard.error is None
    assert len(heard.told) == 4 * ROUNDS
    os.kill(process, signal.SIGTERM)
    assert owners.end() == Exit.DONE, errors.read_text()
    assert errors.read_text() == ""
    judge(data, heard)
