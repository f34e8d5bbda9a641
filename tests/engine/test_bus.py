"""A running application, through its asyncio API: what was told stays true, here and after the next start."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmsb
from examples.bank import Account, Deposit, Open, Transfer, app
from mmsb.schemas.errors import Overloaded, PageNotFound
from mmsb.streams.bus import Bus
from mmsb.streams.submitting import TICKET_BYTES, VALUE_BYTES_MAX
from tests.engine import provoke

WAYS = [pytest.param(True, id="interpreted"), pytest.param(False, id="compiled")]


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 60))


@pytest.fixture(params=WAYS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def start(**settings: Any) -> Bus:
        return app.run(data=tmp_path / "data", interpreted=request.param, **settings)

    return start


def test_receipts_say_what_became_of_each_intent(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            assert (await bank.submit(Open(1, "ann"))).status == mmsb.Status.APPLIED
            first = await bank.submit(Deposit(1, 100), id="salary-11")
            again = await bank.submit(Deposit(1, 100), id="salary-11")
            assert (again.status, again.first_offset) == (mmsb.Status.DUPLICATE, first.offset)
            refused = await bank.submit(Transfer(1, 2, 999), actor="ann", reason="rent")
            assert refused.status == mmsb.Status.REJECTED
            assert bank.explain(refused) == "the predicate of Transfer said no"
            assert bank.explain(again) == f"duplicate: first seen at offset {first.offset}"
            assert f"{first.status}, {refused.status}" == "applied, rejected"
            assert [first.offset, again.offset, refused.offset] == [1, 2, 3]
            assert (await bank.get(Account, 1)).balance == 100

    run(main())


def test_the_next_start_finds_all_that_was_told(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            await bank.submit(Open(1, "ann"))
            last = await bank.submit(Deposit(1, 100), id="salary-11")
        async with start() as bank:
            assert (await bank.get(Account, 1)).balance == 100
            again = await bank.submit(Deposit(1, 100), id="salary-11")
            assert (again.status, again.first_offset) == (mmsb.Status.DUPLICATE, last.offset)

    run(main())


def test_thousands_at_once_settle_in_the_order_of_their_offsets(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            await bank.submit(Open(1, "ann"))
            receipts = await asyncio.gather(*(bank.submit(Deposit(1, 1)) for _ in range(2_000)))
            assert sorted(receipt.offset for receipt in receipts) == list(range(1, 2_001))
            assert (await bank.get(Account, 1)).balance == 2_000

    run(main())


def test_columns_in_columns_out(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            opened = await bank.submit_many(Open, {"account": np.arange(500), "owner": ["ann"] * 500})
            assert opened.counts == {mmsb.Status.APPLIED: 500}
            amounts = np.where(np.arange(500) % 5, 7, -1)
            ids = [f"order-{n % 400}" for n in range(500)]
            found = await bank.submit_many(Deposit, {"account": np.arange(500), "amount": amounts}, ids=ids)
            assert found.counts == {mmsb.Status.APPLIED: 320, mmsb.Status.REJECTED: 80, mmsb.Status.DUPLICATE: 100}
            refused = found.rejection(0)
            assert refused is not None
            assert bank.explain(refused) == "Deposit.amount must be > 0, found -1"
            assert found.first_offsets[400:].tolist() == list(range(500, 600))
            accounts = await bank.get_many(Account, [0, 1, 999])
            assert [None if page is None else page.balance for page in accounts] == [0, 7, None]

    run(main())


def test_a_read_follows_what_was_settled_before_it(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            await bank.submit(Open(1, "ann"))
            for amount in range(1, 30):
                before = (await bank.get(Account, 1)).balance
                await bank.submit(Deposit(1, amount))
                assert (await bank.get(Account, 1)).balance == before + amount
            with pytest.raises(PageNotFound, match=r"Account\[2\] does not exist"):
                await bank.get(Account, 2)

    run(main())


@pytest.mark.guards(4)
def test_logged_comes_before_settled_and_leaving_waits_for_both(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            await bank.submit(Open(1, "ann"))
            receipts = [await bank.submit(Deposit(1, 1), until="logged") for _ in range(20)]
            assert [(receipt.offset, receipt.status) for receipt in receipts] == [(n, None) for n in range(1, 21)]
        async with start() as bank:
            assert (await bank.get(Account, 1)).balance == 20

    run(main())


def test_what_does_not_fit_is_refused_by_the_limits_name(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            await bank.submit(Open(1, "ann"))
            bank.door._partitions[0].journal.inbox.limit = 4 * (len(mmsb.pack(Deposit(1, 1))) + TICKET_BYTES)
            futures = [bank.submit_nowait(Deposit(1, 1)) for _ in range(4)]
            with pytest.raises(Overloaded, match="IN_FLIGHT_BYTES_MAX"):
                bank.submit_nowait(Deposit(1, 1))
            waiting = asyncio.gather(*(bank.submit(Deposit(1, 1)) for _ in range(50)))  # these wait for room
            await asyncio.gather(*futures)
            assert len(await waiting) == 50

    run(main())


def test_two_writers_of_one_folder_are_one_too_many() -> None:
    with pytest.raises(mmsb.FolderInUse, match="this process runs this data folder already"):
        run(provoke.folder_in_use())


def test_other_code_needs_another_generation() -> None:
    with pytest.raises(mmsb.GenerationConflict, match=r"generation 1 is that of other code.*generation=2"):
        run(provoke.generation_conflict())


def test_a_full_disk_leaves_the_outcome_unknown_and_stops() -> None:
    with pytest.raises(mmsb.OutcomeUnknown, match=r"No space left.*again with the same id"):
        run(provoke.outcome_unknown())


def test_development_takes_the_next_generation_by_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await bank.submit(Open(1, "ann"))
        async with mmsb.App("bank").run(data=tmp_path, interpreted=True, dev=True) as other:
            assert (await other.get(Account, 1)).owner == "ann"

    run(main())


def test_a_wrong_folder_is_said_to_be_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True):
            """It is the bank's."""
        async with mmsb.App("shop").run(data=tmp_path, interpreted=True):
            """Never."""

    with pytest.raises(mmsb.InvalidValue, match="is of 'bank', and the application is 'shop'"):
        run(main())


def test_who_serves_hears_of_what_stops_the_engine(tmp_path: Path) -> None:
    async def main() -> None:
        disk = provoke.FullDisk()
        async with provoke.bank_on(disk, tmp_path) as bank:
            await bank.submit(Deposit(1, 5))
            disk.full = True
            lost = bank.submit_nowait(Deposit(1, 5))
            with pytest.raises(mmsb.EnvironmentFailed, match="No space left"):
                await bank.until_stopped()
            with pytest.raises(mmsb.OutcomeUnknown):
                await lost

    with pytest.raises(mmsb.EnvironmentFailed, match="No space left"):
        run(main())


def test_bytes_that_fit_into_no_batch_are_refused_and_stop_nobody(start: Any) -> None:
    async def main() -> None:
        async with start() as bank:
            with pytest.raises(mmsb.InvalidValue, match="at most VALUE_BYTES_MAX = 4194304 bytes"):
                await bank.door.submit(bytes(VALUE_BYTES_MAX + 1), "settled", None)
            found = await bank.door.submit(b"{" * VALUE_BYTES_MAX, "settled", None)
            assert found.status == mmsb.Status.REJECTED
            assert (await bank.submit(Open(1, "ann"))).status == mmsb.Status.APPLIED

    run(main())


def test_a_receipt_can_be_explained_after_the_bus_was_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            refused = await bank.submit(Transfer(1, 2, 999))
        assert bank.explain(refused) == "the predicate of Transfer said no"

    run(main())


def test_leaving_lets_those_in_who_wait_for_room(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            engine: Any = bank.door
            engine._partitions[0].journal.inbox.limit = 1
            waiting = [asyncio.create_task(bank.submit(Deposit(1, 1))) for _ in range(50)]
            await asyncio.sleep(0)
        receipts = await asyncio.gather(*waiting)
        assert [receipt.offset for receipt in receipts] == list(range(50))

    run(main())


def test_statistics_wait_for_what_they_count_to_be_accepted(tmp_path: Path) -> None:
    async def main() -> None:
        held = threading.Event()
        async with app.run(data=tmp_path, interpreted=True) as bank:
            engine: Any = bank.door
            part = engine._partitions[0]
            write = part.journal._write_blocks
            part.journal._write_blocks = lambda *block: (held.wait(30), write(*block))
            deposit = bank.submit_nowait(Deposit(1, 5))
            while part.opened.writer.machine.settled < 0:
                await asyncio.sleep(0.001)
            asked = asyncio.create_task(bank.stats())
            await asyncio.sleep(0.05)
            assert not asked.done()
            held.set()
            assert (await asked).partitions[0].pages == {"Account": 1}
            assert (await deposit).offset == 0

    run(main())


def test_what_a_read_reflects_is_said_here_and_from_elsewhere(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True, partitions=3) as bank:
            assert await bank.reflects(Account, 1) == -1
            await asyncio.gather(*(bank.submit(Deposit(1, 5)) for _ in range(2)))
            receipt = await bank.submit(Deposit(1, 5))
            async with mmsb.connect(tmp_path, app) as elsewhere:
                for bus in (bank, elsewhere):
                    assert await bus.reflects(Account, 1) == receipt.offset == 2
                    assert (await bus.get(Account, 1)).moves == 3
                with pytest.raises(mmsb.InvalidValue, match="partition 7 is not one of those"):
                    await elsewhere.door.reflects(7)

    run(main())
