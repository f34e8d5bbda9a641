"""A client that deposits by known ids until something fails, and what must be true of it afterwards."""

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import mmsb
from examples.bank import Account, Deposit, app
from mmsb import Bus
from tests.faults import folders

ACCOUNTS = 4
ROUNDS = 8
CHECKPOINT_AT = 3
REACH_SECONDS = 20.0
REASON = "so that a round needs more room than the last page of a file has" * 6


@dataclass
class Heard:
    """Offsets by id: what was told to have settled; and how it ended, if not well."""

    told: dict[str, int] = field(default_factory=dict[str, int])
    error: BaseException | None = None


def _deposits(number: int) -> list[tuple[str, Deposit]]:
    return [(f"{number}-{account}", Deposit(account, 1)) for account in range(ACCOUNTS)]


async def _round(bank: Bus, number: int, heard: Heard) -> None:
    async def one(id: str, deposit: Deposit) -> None:
        receipt = await bank.submit(deposit, id=id, reason=REASON)
        heard.told[id] = receipt.offset

    await asyncio.gather(*(one(id, deposit) for id, deposit in _deposits(number)))


async def work(bank: Bus, heard: Heard, between: Callable[[int], Awaitable[object]] | None = None) -> None:
    """All rounds, with a checkpoint on the way; ends at the first failure, which it takes note of."""
    try:
        for number in range(ROUNDS):
            await _round(bank, number, heard)
            if between is not None:
                await between(number)
            if number == CHECKPOINT_AT:
                await bank.checkpoint()
    except mmsb.MmsbError as error:
        heard.error = error


async def _work_at(data: Path, alive: Callable[[], bool]) -> Heard:
    heard, until = Heard(), time.monotonic() + REACH_SECONDS
    while alive() and time.monotonic() < until:
        with suppress(mmsb.EnvironmentFailed):
            async with mmsb.connect(data, app) as bank:
                await work(bank, heard)
            return heard
        await asyncio.sleep(0.01)
    return heard


def work_at(data: Path, alive: Callable[[], bool]) -> Heard:
    """With whoever runs the folder, once he does."""
    return asyncio.run(_work_at(data, alive))


async def _judge(data: Path, heard: Heard) -> None:
    async with app.run(data=data, interpreted=True) as bank:
        for number in range(ROUNDS):
            for id, deposit in _deposits(number):
                receipt = await bank.submit(deposit, id=id)
                if id in heard.told:
                    found = (receipt.status, receipt.first_offset)
                    assert found == (mmsb.Status.DUPLICATE, heard.told[id]), (id, receipt)
        pages = {key: page.balance async for key, page in bank.scan(Account)}
        assert pages == dict.fromkeys(range(ACCOUNTS), ROUNDS), pages


def judge(data: Path, heard: Heard, *, home_may_be_wrong: bool = False) -> None:
    """What was told is there; what was not can be asked for again; and all of it applied once."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(_judge(data, heard))
    assert not said or (home_may_be_wrong and "what was there is in" in str(said[0].message)), said
    assert folders.problems(data) == []
