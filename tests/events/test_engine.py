"""Events of the real engine, through the API: from the moment of the call on, and without a word once it has closed."""

import asyncio
from pathlib import Path

from examples.bank import Account, Deposit, Open, Transfer, app


async def test_what_is_submitted_after_the_call_comes(tmp_path: Path) -> None:
    async with app.run(data=tmp_path / "data", interpreted=True) as bank:
        await bank.submit(Open(1, "ann"))
        events = bank.events(Account)  # and nobody waits for one yet
        await bank.submit(Deposit(1, 100))
        await bank.submit(Transfer(1, 2, 30))
        found = [await anext(events) for _ in range(3)]
        assert [(event.key, event.page and event.page.balance) for event in found] == [(1, 100), (1, 70), (2, 30)]
        rest = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
    assert await rest is None
