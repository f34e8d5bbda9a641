"""Moments of the past through the asyncio API: here, and from another program."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

import mmsb
from examples.bank import Account, Deposit, Open, app


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


async def balances(bank: mmsb.Bus, **moment: int) -> dict[int, int]:
    return {key: account.balance async for key, account in bank.scan(Account, **moment)}


def test_pages_are_told_as_they_were_here_and_elsewhere(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as owner, mmsb.connect(tmp_path, app) as other:
            opened = await owner.submit(Open(1, "ann"))
            receipts = [await owner.submit(Deposit(1, 100)) for _ in range(5)]
            await owner.submit(Open(2, "bob"))
            for bank in (owner, other):
                assert [(await bank.get(Account, 1, at=each.offset)).balance for each in receipts] == [
                    100, 200, 300, 400, 500,
                ]  # fmt: skip
                then = await bank.get(Account, 1, at=opened.offset)
                assert (then.owner, then.balance, mmsb.epoch_of(then)) == ("ann", 0, 1)
                assert await bank.get_many(Account, [1, 2], at=-1) == [None, None]
                assert await balances(bank, at=receipts[2].offset) == {1: 300}
                assert await balances(bank, at=-1) == {}
                assert await balances(bank) == await balances(bank, at=6) == {1: 500, 2: 0}
                with pytest.raises(mmsb.PageNotFound, match=r"Account\[2\] did not exist after offset 5"):
                    await bank.get(Account, 2, at=5)
                for at in (-2, 7):
                    with pytest.raises(mmsb.InvalidValue, match="at: expected an intent offset"):
                        await bank.get(Account, 1, at=at)
                with pytest.raises(mmsb.InvalidValue, match="from -1 to 6, found 7"):
                    await balances(bank, at=7)
                assert (await bank.history(Account, 1)).trimmed is None

    run(main())


def test_offsets_are_those_of_one_partition(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, partitions=3, interpreted=True) as bank:
            receipts = await asyncio.gather(*(bank.submit(Open(key, "ann")) for key in range(30)))
            where = {receipt.partition for receipt in receipts}
            assert len(where) > 1
            for key, receipt in enumerate(receipts):
                assert (await bank.get(Account, key, at=receipt.offset)).owner == "ann"
            with pytest.raises(mmsb.InvalidValue, match="partitions, each with offsets of its own"):
                await bank.get_many(Account, range(30), at=0)
            with pytest.raises(mmsb.InvalidValue, match="add partition="):
                await balances(bank, at=0)
            found = [await balances(bank, at=0, partition=partition) for partition in range(3)]
            assert sum(map(len, found)) == len(where)
            with pytest.raises(mmsb.InvalidValue, match="partition: expected 0 to 2, found 3"):
                await balances(bank, partition=3)

    run(main())
