"""Two processes, one that owns a data folder and one that asks it: also when the owner is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import mmsb
from examples.bank import Account, Deposit, Open, Transfer, app
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown
from tests.project.tree import ROOT


@contextmanager
def owner(folder: Path) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.serving.owner", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def run(what):
    asyncio.run(asyncio.wait_for(what, 60))


def test_another_process_has_the_same_api(tmp_path):
    async def main():
        async with mmsb.connect(tmp_path, app) as bank:
            assert (await bank.submit(Open(1, "ann"))).status == mmsb.Status.APPLIED
            first = await bank.submit(Deposit(1, 100), id="salary-11", actor="eve")
            again = await bank.submit(Deposit(1, 100), id="salary-11")
            assert (again.status, again.first_offset) == (mmsb.Status.DUPLICATE, first.offset)
            refused = await bank.submit(Transfer(1, 2, 999))
            assert bank.explain(refused) == "the predicate of Transfer said no"
            assert (await bank.submit(Deposit(1, 1), until="logged")).status is None
            receipts = await bank.submit_many(Deposit, {"account": np.ones(20_000, np.uint64), "amount": 1})
            assert receipts.counts == {mmsb.Status.APPLIED: 20_000}
            assert (await bank.get(Account, 1)).balance == 20_101
            singles = await asyncio.gather(*(bank.submit(Deposit(1, 1)) for _ in range(3_000)))
            offsets = [receipt.offset for receipt in singles]
            assert offsets == list(range(offsets[0], offsets[0] + 3_000))
            pages = [page async for page in bank.scan(Account)]
            assert len(pages) == 1
            stats = await bank.stats()
            assert stats.partitions[0].settled == offsets[-1]

    with owner(tmp_path):
        run(main())


def test_clients_of_several_processes_share_one_owner(tmp_path):
    async def main():
        async with mmsb.connect(tmp_path, app) as ann, mmsb.connect(tmp_path, app) as bob:
            await ann.submit(Open(1, "ann"))
            calls = [each.submit(Deposit(1, 1)) for each in (ann, bob) for _ in range(500)]
            receipts = await asyncio.gather(*calls)
            assert sorted(receipt.offset for receipt in receipts) == list(range(1, 1_001))
            assert (await bob.get(Account, 1)).balance == 1_000

    with owner(tmp_path):
        run(main())


def test_what_a_killed_owner_was_handed_is_unknown_and_the_same_id_tells(tmp_path):
    settled: list[int] = []
    unknown: list[int] = []
    words: set[str] = set()

    async def deposit(bank, number):
        try:
            await bank.submit(Deposit(1, 1), id=f"deposit-{number}")
            settled.append(number)
        except OutcomeUnknown as error:
            words.add(str(error))
            unknown.append(number)

    async def kill(process):
        async with mmsb.connect(tmp_path, app) as bank:
            await bank.submit(Open(1, "ann"), id="open")
            await asyncio.gather(*(deposit(bank, number) for number in range(200)))
            calls = [asyncio.ensure_future(deposit(bank, number)) for number in range(200, 4_900)]
            while len(settled) < 400:
                await asyncio.sleep(0.001)
            process.send_signal(signal.SIGSTOP)  # whatever the rest came to, it answers none of these any more
            calls += [asyncio.ensure_future(deposit(bank, number)) for number in range(4_900, 5_000)]
            await asyncio.sleep(0.02)
            process.kill()
            await asyncio.gather(*calls)
            with pytest.raises(EnvironmentFailed, match=r"has ended.*start it again"):
                await bank.get(Account, 1)
            with pytest.raises(EnvironmentFailed):
                await bank.submit(Deposit(1, 1))

    async def again():
        async with mmsb.connect(tmp_path, app) as bank:
            before = (await bank.get(Account, 1)).balance
            assert len(settled) <= before <= len(settled) + len(unknown)
            told = [await bank.submit(Deposit(1, 1), id=f"deposit-{number}") for number in settled[-20:]]
            assert {receipt.status for receipt in told} == {mmsb.Status.DUPLICATE}
            retried = await asyncio.gather(*(bank.submit(Deposit(1, 1), id=f"deposit-{n}") for n in unknown))
            applied = sum(receipt.status == mmsb.Status.APPLIED for receipt in retried)
            assert {receipt.status for receipt in retried} <= {mmsb.Status.APPLIED, mmsb.Status.DUPLICATE}
            assert before + applied == len(settled) + len(unknown) == 5_000
            assert (await bank.get(Account, 1)).balance == 5_000

    with owner(tmp_path) as process:
        run(kill(process))
    assert {*range(4_900, 5_000)} <= {*unknown}
    assert all("submit it again with the same id" in each for each in words)
    with owner(tmp_path):
        run(again())


def test_an_owner_that_is_told_to_stop_answers_first(tmp_path):
    async def main(process):
        async with mmsb.connect(tmp_path, app) as bank:
            await bank.submit(Open(1, "ann"))
            calls = [asyncio.ensure_future(bank.submit(Deposit(1, 1))) for _ in range(300)]
            await bank.submit(Deposit(1, 1))
            os.kill(process.pid, signal.SIGTERM)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(result) for result in results] == [mmsb.Receipt] * 300
            while process.poll() is None:
                await asyncio.sleep(0.01)

    with owner(tmp_path) as process:
        run(main(process))
    assert not (tmp_path / "socket").exists()
