"""History, blame, scan and events of a running application, through its asyncio API: here, and from elsewhere."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

import mmsb
from examples.bank import Account, Deposit, Open, Transfer, app
from mmsb.schemas.classes import layout_of

COUNTS = [1, 3]


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


async def fill(bank: mmsb.Bus) -> None:
    await bank.submit(Open(1, "ann"))
    await bank.submit(Deposit(1, 100), id="salary-11", actor="boss", reason="work")
    await bank.submit(Deposit(1, -5))
    await bank.submit(Deposit(1, 30))


def test_history_and_blame_say_who_and_why(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await fill(bank)
            last, salary, first = await bank.history(Account, 1)
            assert [change.intent for change in (last, salary, first)] == ["Deposit", "Deposit", "Open"]
            assert (salary.actor, salary.reason, salary.fields) == ("boss", "work", ("balance", "moves"))
            assert salary.page is not None
            assert (salary.page.balance, mmsb.epoch_of(salary.page), last.before) == (100, 2, 2)
            assert first.kind == mmsb.EventKind.CREATED
            assert len(await bank.history(Account, 1, limit=2)) == 2
            assert (await bank.blame(Account, 1, "balance")).offset == last.offset == 3
            assert (await bank.blame(Account, 1, "owner")).offset == 0
            assert (await bank.blame(Account, 1)).kind == mmsb.EventKind.CREATED
            with pytest.raises(mmsb.InvalidValue, match="did you mean 'balance'"):
                await bank.blame(Account, 1, "balanse")
            with pytest.raises(mmsb.PageNotFound):
                await bank.blame(Account, 2, "balance")
            assert await bank.history(Account, 2) == []

    run(main())


def test_blame_says_who_gave_a_byte_its_value(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await fill(bank)
            carried = await bank.submit(Deposit(1, 256))  # from 130 to 386: its lowest byte stays
            assert [(await bank.blame(Account, 1, "balance", byte=n)).offset for n in (0, 1, 7)] == [3, 4, 0]
            assert carried.offset == (await bank.blame(Account, 1, "balance")).offset == 4
            field = layout_of(Account).fields[layout_of(Account).index_of["balance"]]
            assert (await bank.blame(Account, 1, byte=field.offset)).offset == 3
            assert (await bank.blame(Account, 1, byte=field.offset + 1)).offset == 4
            with pytest.raises(mmsb.InvalidValue, match="expected a byte below 8, found 8"):
                await bank.blame(Account, 1, "balance", byte=8)
            with pytest.raises(mmsb.InvalidValue, match="expected a byte of a field, found 4000: it is outside of its"):
                await bank.blame(Account, 1, byte=4_000)

    run(main())


@pytest.mark.parametrize("partitions", COUNTS)
def test_events_come_once_and_go_on_where_somebody_stopped(tmp_path: Path, partitions: int) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, partitions=partitions, interpreted=True) as bank:
            await asyncio.gather(*(bank.submit(Open(n, "ann")) for n in range(50)))
            seen: list[mmsb.PageEvent[Account]] = []
            positions: dict[int, mmsb.Position] = {}
            for _ in range(5):  # a consumer that is killed again and again
                taken = 0
                events = bank.events(Account, after=positions)
                async for event in events:
                    seen.append(event)
                    positions[event.partition] = event.position
                    taken += 1
                    if taken == 10:
                        break
                await events.aclose()
            assert sorted(event.key for event in seen) == list(range(50))
            for partition in range(partitions):
                offsets = [event.offset for event in seen if event.partition == partition]
                assert offsets == sorted(set(offsets))

    run(main())


def test_events_are_chosen_by_key_and_field_and_end_with_the_engine(tmp_path: Path) -> None:
    async def consume(events: Any) -> list[Any]:
        return [(event.intent, event.key, event.page.balance) async for event in events]

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await bank.submit(Open(1, "ann"))
            consumers = [
                asyncio.create_task(consume(bank.events(Account, key=2))),
                asyncio.create_task(consume(bank.events(Account, fields=["owner"], after=mmsb.FROM_THE_START))),
                asyncio.create_task(consume(bank.events(Account))),
            ]
            await asyncio.sleep(0.05)  # so that "from now on" is before what comes
            await bank.submit(Open(2, "bob"))
            await bank.submit(Deposit(1, 7))
            await bank.submit(Transfer(1, 2, 3))
        found = await asyncio.gather(*consumers)
        assert found[0] == [("Open", 2, 0), ("Transfer", 2, 3)]
        assert found[1] == [("Open", 1, 0), ("Open", 2, 0)]
        assert found[2] == [("Open", 2, 0), ("Deposit", 1, 7), ("Transfer", 1, 4), ("Transfer", 2, 3)]

    run(main())


@pytest.mark.parametrize("partitions", COUNTS)
def test_a_scan_is_of_one_moment_and_in_the_order_of_keys(tmp_path: Path, partitions: int) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, partitions=partitions, interpreted=True) as bank:
            keys = [2**63, 3, 1, 300, 70_000]
            await asyncio.gather(*(bank.submit(Open(key, "ann")) for key in keys))
            found = [key async for key, _ in bank.scan(Account)]
            assert sorted(found) == sorted(keys)
            assert partitions > 1 or found == sorted(keys)

    run(main())


def test_another_program_has_the_same_api(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank, mmsb.connect(tmp_path, app) as other:
            await fill(other)
            assert (await other.get(Account, 1)).balance == (await bank.get(Account, 1)).balance == 130
            assert await other.history(Account, 1) == await bank.history(Account, 1)
            assert [key async for key, _ in other.scan(Account)] == [1]
            refused = await other.submit(Deposit(1, -5))
            assert other.explain(refused) == bank.explain(refused)
            assert (await other.stats()).partitions[0].settled == 4
            with pytest.raises(mmsb.InvalidValue, match="'bank' runs there"):
                async with mmsb.connect(tmp_path, mmsb.App("shop")):
                    """Never."""

    run(main())


def test_statistics_count_what_happened(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await fill(bank)
            stats = await bank.stats()
            part = stats.partitions[0]
            assert (part.logged, part.settled, part.lag) == (3, 3, 0)
            assert part.outcomes == {"applied": 3, "rejected": 1}
            assert part.pages == {"Account": 1}
            assert part.in_flight_bytes == 0
            sizes = [
                sum(file.stat().st_size for file in (tmp_path / "0" / log).glob("*.log")) for log in ("intents", "tlog")
            ]
            assert [part.intents_bytes, part.tlog_bytes] == sizes
            assert stats.settled_per_second > 0
            assert stats.as_json()["partitions"][0]["lag"] == 0

    run(main())
