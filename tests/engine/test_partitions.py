"""Several partitions behind one door: intents find theirs, and follow-ups reach theirs exactly once, through kills."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import mmsb
from examples.remittances import Account, Open, Send, app
from tests.engine.sent import ACCOUNTS, BALANCE, LIMIT
from tests.project.tree import ROOT

COUNTS = [1, 3, 8]
KILLS = 4


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


async def balances(folder: Path) -> dict[int, int]:
    """After everything has settled, and been relayed."""
    async with app.run(data=folder, interpreted=True):
        """Leaving it settles what was logged."""
    async with app.run(data=folder, interpreted=True) as bus:
        stats = await bus.stats()
        assert all(each.emitted == each.relayed for each in stats.partitions)
        return {key: account.balance async for key, account in bus.scan(Account)}


@pytest.mark.parametrize("partitions", COUNTS)
def test_money_that_is_sent_arrives_once_or_comes_back(tmp_path: Path, partitions: int) -> None:
    async def main() -> None:
        rng = Random(partitions)
        async with app.run(data=tmp_path, partitions=partitions, interpreted=True) as bus:
            await asyncio.gather(*(bus.submit(Open(n, BALANCE, LIMIT)) for n in range(ACCOUNTS)))
            sends = [
                Send(rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS + 5), rng.randrange(1, 500)) for _ in range(500)
            ]
            receipts = await asyncio.gather(*(bus.submit(send) for send in sends))
            places = {(receipt.partition, receipt.offset) for receipt in receipts}
            assert len(places) == len(receipts)
            assert len({receipt.partition for receipt in receipts}) == partitions
        found = await balances(tmp_path)
        assert sum(found.values()) == ACCOUNTS * BALANCE
        assert list(found.values()) != [BALANCE] * ACCOUNTS

    run(main())


@pytest.mark.parametrize("interpreted", [True, False])
def test_columns_are_dealt_to_their_partitions_and_answered_in_their_order(tmp_path: Path, interpreted: bool) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, partitions=3, interpreted=interpreted) as bus:
            accounts = np.arange(300)
            opened = await bus.submit_many(
                Open, {"account": accounts, "balance": np.where(accounts % 5, 10, -1), "limit": 100}
            )
            assert opened.partitions is not None
            assert (opened.statuses == np.where(accounts % 5, mmsb.Status.APPLIED, mmsb.Status.REJECTED)).all()
            assert set(opened.partitions.tolist()) == {0, 1, 2}
            refused = opened.rejection(0)
            assert refused is not None
            assert (refused.code, refused.value) == (mmsb.Code.BOUND, -1)
            again = await asyncio.gather(*(bus.submit(Open(n, 1, 1)) for n in accounts.tolist()))
            applied = accounts % 5 > 0  # the others are dealt by partition 0 alone, where they are rejected
            assert (
                np.array([receipt.partition for receipt in again])[applied].tolist()
                == opened.partitions[applied].tolist()
            )
            found = await bus.get_many(Account, accounts.tolist())
            assert [page is not None for page in found] == [True] * 300

    run(main())


def test_an_intent_over_two_partitions_is_rejected_by_name(tmp_path: Path) -> None:
    two = mmsb.App("two")

    @two.page(key=mmsb.u64)
    class Cell(mmsb.Page):
        value: mmsb.i64

    @two.intent
    class Move(mmsb.Intent):
        src: mmsb.u64
        dst: mmsb.u64

        def query(self):
            return Cell[self.src], Cell[self.dst]

        def delta(self, src: Cell, dst: Cell) -> None:
            src.value -= 1
            dst.value += 1

    async def main() -> None:
        async with two.run(data=tmp_path, partitions=8, interpreted=True) as bus:
            receipts = await asyncio.gather(*(bus.submit(Move(0, n)) for n in range(1, 20)))
            found = {receipt.rejection.code if receipt.rejection else None for receipt in receipts}
            assert found == {None, mmsb.Code.WRONG_PARTITION}
            wrong = next(receipt for receipt in receipts if receipt.rejection)
            assert "partition" in bus.explain(wrong)

    run(main())


def test_what_is_fixed_for_ever_is_not_taken_back(tmp_path: Path) -> None:
    async def main(**settings: Any) -> None:
        async with app.run(data=tmp_path, interpreted=True, **settings) as bus:
            assert bus.door.about.partition_count == 3
            assert bus.door.about.window == 1_000

    run(main(partitions=3, window=1_000))
    run(main())
    with pytest.raises(mmsb.InvalidValue, match="partitions: this data folder was made with 3"):
        run(main(partitions=4))
    with pytest.raises(mmsb.InvalidValue, match=r"window: this data folder was made with 1000"):
        run(main(window=1_001))


def test_partitions_of_another_folder_are_noticed(tmp_path: Path) -> None:
    async def main(folder: str) -> None:
        async with app.run(data=tmp_path / folder, partitions=2, interpreted=True) as bus:
            await bus.submit(Open(1, 1, 1))

    run(main("a"))
    run(main("b"))
    (tmp_path / "a" / "1").rename(tmp_path / "saved")
    (tmp_path / "b" / "1").rename(tmp_path / "a" / "1")
    with pytest.raises(mmsb.CorruptState, match="folders were mixed up"):
        run(main("a"))
    (tmp_path / "saved").rename(tmp_path / "a" / "2")
    with pytest.raises(mmsb.CorruptState, match="expected partitions 0 to 1, found 2 as well"):
        run(main("a"))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("0", "expected the TLog of partition 0, .*, found only those of 1, 2"),
        ("0/*", "expected the TLog of partition 0, .*, found only those of 1, 2"),
        ("1", "expected the TLogs of partitions 0 to 2, since intents are logged in partition 0, found none of 1"),
        ("2/*", "expected the TLogs of partitions 0 to 2, since intents are logged in partition 0, found none of 2"),
    ],
)
def test_a_partition_that_was_removed_is_not_made_anew(tmp_path: Path, gone: str, message: str) -> None:
    async def main(**settings: Any) -> None:
        async with app.run(data=tmp_path, interpreted=True, **settings) as bus:
            await asyncio.gather(*(bus.submit(Open(number, 1, 1)) for number in range(20)))

    run(main(partitions=3))
    for path in tmp_path.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    left = sorted(tmp_path.rglob("*"))
    for settings in ({}, {"partitions": 3}):
        with pytest.raises(mmsb.CorruptState, match=message):
            run(main(**settings))
    made = [path for path in tmp_path.rglob("*.log") if path not in left and "home" not in path.parts]
    assert made == []  # RocksDB's own names end so, too


def test_a_partition_that_is_older_than_the_others_is_noticed(tmp_path: Path) -> None:
    async def main() -> Path:
        """Gives the folder of the partition that sends."""
        async with app.run(data=tmp_path, partitions=3, interpreted=True) as bus:
            await bus.submit(Open(1, 100, 1_000), id="open")
            receipts = await asyncio.gather(*(bus.submit(Send(1, dst, 1)) for dst in range(2, 22)))
            return tmp_path / str(receipts[0].partition)

    sender = run(main())
    shutil.copytree(sender, tmp_path / "saved")
    assert run(main()) == sender
    shutil.rmtree(sender)
    (tmp_path / "saved").rename(sender)
    with pytest.raises(mmsb.CorruptState, match=r"expected \d+ follow-ups to partition \d, .* older than the others"):
        run(main())


def test_a_start_that_was_cut_short_before_all_partitions_were_made_goes_on(tmp_path: Path) -> None:
    async def main() -> int:
        async with app.run(data=tmp_path, partitions=3, interpreted=True) as bus:
            return bus.door.about.partition_count

    assert run(main()) == 3
    for number in (1, 2):
        shutil.rmtree(tmp_path / str(number))
    assert run(main()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("partitions", COUNTS)
def test_follow_ups_arrive_exactly_once_through_kills(tmp_path: Path, partitions: int) -> None:
    rng = Random(partitions)
    for number in range(KILLS):
        command = [sys.executable, "-m", "tests.engine.sent", str(tmp_path), str(partitions), str(number)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=rng.uniform(0.05, 0.4))
        child.kill()
        child.wait()
        child.stdout.close()
    found = run(balances(tmp_path))
    assert sum(found.values()) == ACCOUNTS * BALANCE
    assert len(found) == ACCOUNTS
