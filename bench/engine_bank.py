"""What the engine is asked: transfers between 100,000 accounts, as columns and one by one; a tenth is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.bank import Account, Deposit, Open, Transfer
from bench.traffic import AMOUNT_MAX, FUNDS, REJECTS, TOO_MUCH
from mmsb.processors.receipts import Receipts
from mmsb.schemas.statuses import Status
from mmsb.streams.bus import Bus

ACCOUNTS: Final = 100_000

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Transfers:
    """Columns; no transfer is to the account that it comes from."""

    src: Numbers
    dst: Numbers
    amount: Numbers
    ids: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.src)

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        return {"src": self.src.view(np.uint64), "dst": self.dst.view(np.uint64), "amount": self.amount}

    @property
    def applied(self) -> int:
        """How many are not refused, where nothing was submitted before."""
        return int(np.count_nonzero(self.amount != TOO_MUCH))

    def upto(self, count: int) -> "Transfers":
        return Transfers(self.src[:count], self.dst[:count], self.amount[:count], self.ids[:count])

    def rows(self) -> Iterator[tuple[int, int, int, bytes]]:
        """For those who take one at a time: src, dst, amount, id."""
        ids = (row.tobytes() for row in self.ids)
        return zip(self.src.tolist(), self.dst.tolist(), self.amount.tolist(), ids, strict=True)

    def intents(self) -> Iterator[tuple[Transfer, bytes]]:
        """Each with its id, made when it is asked for, as by those who have it from elsewhere."""
        return ((Transfer(src=src, dst=dst, amount=amount), id) for src, dst, amount, id in self.rows())


def draw(rng: np.random.Generator, count: int) -> Transfers:
    """Evenly over all accounts, which is the hardest case for caches."""
    src = rng.integers(0, ACCOUNTS, count)
    dst = (src + rng.integers(1, ACCOUNTS, count)) % ACCOUNTS
    amount = np.where(rng.random(count) < REJECTS, TOO_MUCH, rng.integers(1, AMOUNT_MAX, count))
    return Transfers(src, dst, amount, rng.integers(0, 2**64, (count, 2), np.uint64))


async def open_accounts(bus: Bus) -> None:
    """Every account, and enough in it for all that follows."""
    accounts = np.arange(ACCOUNTS, dtype=np.uint64)
    await bus.submit_many(Open, {"account": accounts, "owner": [f"owner {number}" for number in range(ACCOUNTS)]})
    await bus.submit_many(Deposit, {"account": accounts, "amount": FUNDS})


async def transfer(bus: Bus, asked: Transfers) -> Receipts:
    """Submit them all as columns; they become what was drawn."""
    receipts = await bus.submit_many(Transfer, asked.columns, ids=asked.ids)
    assert receipts.counts.get(Status.APPLIED, 0) == asked.applied, "ids are new, and only what is too much is refused"
    return receipts


async def check_money(bus: Bus) -> None:
    """Nothing was made or lost by moving it."""
    total = sum([account.balance async for _, account in bus.scan(Account)])
    assert total == ACCOUNTS * FUNDS, "transfers keep the sum of all balances"
