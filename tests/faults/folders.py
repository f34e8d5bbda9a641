"""A small data folder that has everything in it, copies of it to be damaged, and what it must answer."""

import asyncio
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.bank import Account, Deposit, Open, app
from mmsb.streams.checkpoints.checking import Kept
from mmsb.streams.past.problems import Problem
from mmsb.streams.past.verifying import verify
from mmsb.streams.world import RealWorld
from tests.crash.segments import small_segments

ACCOUNTS = 6
SEGMENT_BYTES = 3_000
WINDOW = 4
AT = 27  # an offset behind the last checkpoint


@dataclass(frozen=True)
class Answers:
    """What a folder says of now and of then."""

    digest: str
    pages: tuple[Any, ...]
    then: int
    history: tuple[tuple[int, str | None], ...]
    """Newest first."""
    trimmed: int | None
    """Where it ends, if not with the page's creation."""


@dataclass(frozen=True)
class Started:
    """What came of a start: answers, and what it said besides; or an error."""

    answers: Answers | None
    said: tuple[str, ...] = ()
    error: BaseException | None = None


def copy(source: Path, target: Path) -> Path:
    """With all hard links within it: files of rows are shared by the home and checkpoints.

    Of a folder that somebody runs a file may go before it is copied, as of an index that got its name: then once more.
    """
    while subprocess.run(["cp", "-a", source, target], check=False, stderr=subprocess.DEVNULL).returncode:
        assert source.exists(), "only a file of it may go"
        shutil.rmtree(target)
    return target


async def _fill(folder: Path, image: Path, trim: bool) -> None:
    async with app.run(data=folder, interpreted=True, window=WINDOW, trim=trim) as bank:
        for account in range(ACCOUNTS):
            await bank.submit(Open(account, f"owner {account}"), id=f"open-{account}")
        await bank.checkpoint()
        for amount in range(1, 4):
            for account in range(ACCOUNTS):
                await bank.submit(Deposit(account, amount), id=f"pay-{account}-{amount}", actor="bob")
            await bank.checkpoint()
        for account in range(ACCOUNTS):
            await bank.submit(Deposit(account, 100), id=f"more-{account}")
        await bank.history(Account, 1)
        copy(folder, image)  # as a crash would leave it: what came last is in the logs alone
        (image / "socket").unlink()


def make(folder: Path, *, trim: bool = False) -> Path:
    """A partition with two segments and more of each log, three checkpoints, and a home behind the logs."""
    image = folder / "image"
    with small_segments(SEGMENT_BYTES):
        asyncio.run(_fill(folder / "made", image, trim))
    return image


async def _ask(folder: Path) -> Answers:
    async with app.run(data=folder, interpreted=True) as bank:
        pages = [(key, page.owner, page.balance, page.moves) async for key, page in bank.scan(Account)]
        history = await bank.history(Account, 1)
        (part,) = (await bank.stats()).partitions
        then = await bank.get(Account, 1, at=AT)
        return Answers(
            part.digest, tuple(sorted(pages)), then.balance, tuple((each.offset, each.actor) for each in history),
            history.trimmed,
        )  # fmt: skip


def start(folder: Path) -> Started:
    """Run it once, ask it about now and then, and end it."""
    with warnings.catch_warnings(record=True) as said, small_segments(SEGMENT_BYTES):
        warnings.simplefilter("always")
        try:
            answers, error = asyncio.run(_ask(folder)), None
        except Exception as failure:
            answers, error = None, failure
    return Started(answers, tuple(str(each.message) for each in said), error)


def problems(folder: Path) -> list[Problem]:
    world = RealWorld()
    found = verify(world.files, folder, beside=lambda partition: Kept(world, partition))
    return [each for each in found if isinstance(each, Problem)]
