"""What newcomers get wrong around a running application: each message names the cause, and what to write instead."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import mmsb
from examples.bank import Account, Deposit, Open, Transfer, app
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.world import RealWorld
from tests.engine import provoke

Mistake = Callable[[Any], Awaitable[Any]]

WRONG: Any = "one"

WITH_A_BUS: dict[str, tuple[Mistake, type[Exception], str]] = {
    "the class instead of an intent": (
        lambda bank: bank.submit(Transfer), mmsb.InvalidValue, r"found its class: write Transfer\(src=…, dst=…, amount",
    ),
    "a dictionary instead of an intent": (
        lambda bank: bank.submit({"src": 1}), mmsb.InvalidValue, r"expected an intent, such as Transfer\(1, 2, 10\)",
    ),
    "a page instead of an intent": (
        lambda bank: bank.submit(Account(owner="ann", balance=0, moves=0)), mmsb.InvalidValue, ".* found Account",
    ),
    "a value of the wrong type": (
        lambda bank: bank.submit(Deposit(WRONG, 1)), mmsb.InvalidValue, "Deposit.account: expected an integer",
    ),
    "a field that is not there": (
        lambda bank: bank.submit(Deposit(1, **{"amuont": 1})), mmsb.InvalidValue, "Deposit has no field 'amuont'",
    ),
    "a key of the wrong type": (
        lambda bank: bank.get(Account, "1"), mmsb.InvalidValue, r"Account\[…\]: expected an integer, found '1'",
    ),
    "an intent class instead of a page": (
        lambda bank: bank.get(Transfer, 1), mmsb.InvalidValue, "expected a page class, .* found the class Transfer",
    ),
    "a page that is not there": (
        lambda bank: bank.get(Account, 9), mmsb.PageNotFound, r"Account\[9\] does not exist; it will once an intent",
    ),
    "blame of a field that is not there": (
        lambda bank: bank.blame(Account, 1, "balanse"), mmsb.InvalidValue, "did you mean 'balance'",
    ),
    "an id that is a number": (
        lambda bank: bank.submit(Deposit(1, 1), id=5), mmsb.InvalidValue, "expected an id as text, a UUID or 16 bytes",
    ),
    "rows instead of columns": (
        lambda bank: bank.submit_many(Deposit, [{"account": 1}]), mmsb.InvalidValue, "expected columns as a mapping",
    ),
    "columns of two lengths": (
        lambda bank: bank.submit_many(Deposit, {"account": [1, 2], "amount": [1]}),
        mmsb.InvalidValue, "expected columns of one length, found account of 2, amount of 1",
    ),
    "a column too few": (
        lambda bank: bank.submit_many(Deposit, {"account": [1]}), mmsb.InvalidValue, "missing amount; give a column",
    ),
    "something else to wait for": (
        lambda bank: bank.submit(Deposit(1, 1), until="done"), mmsb.InvalidValue, 'expected "logged" or "settled"',
    ),
    "no number of seconds": (
        lambda bank: bank.submit(Deposit(1, 1), timeout=float("nan")), mmsb.InvalidValue, "expected seconds above 0",
    ),
    "seconds as text": (
        lambda bank: bank.submit(Deposit(1, 1), timeout="1"), mmsb.InvalidValue, "expected seconds above 0.* '1'",
    ),
    "no time at all": (
        lambda bank: bank.submit(Deposit(1, 1), timeout=0), mmsb.InvalidValue, "expected seconds above 0, or None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WITH_A_BUS)
def test_a_mistake_is_named_with_what_to_write_and_nothing_is_logged(tmp_path: Path, mistake: str) -> None:
    make, error, message = WITH_A_BUS[mistake]

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await bank.submit(Open(1, "ann"))
            with pytest.raises(error, match=message):
                await make(bank)
            assert (await bank.stats()).partitions[0].logged == 0

    asyncio.run(asyncio.wait_for(main(), 30))


async def enter(**settings: Any) -> None:
    async with app.run(**settings):
        """Never."""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": None}, "data: expected the path of a data folder, found None"),
        ({"durability": "disk"}, 'durability: expected "fsync" or "process", found \'disk\''),
        ({"partitions": 0}, "partitions: expected 1 to 65536, found 0"),
        ({"partitions": "3"}, "partitions: expected 1 to 65536, found '3'"),
        ({"window": 0}, "window: expected 1 to 16777216, found 0"),
    ],
    ids=lambda given: str(given)[:24],
)
def test_a_setting_is_refused_by_its_name(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(mmsb.InvalidValue) as caught:
        asyncio.run(enter(**{"data": tmp_path, "interpreted": True, **settings}))
    assert message in str(caught.value)


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(mmsb.EnvironmentFailed, match="expected a data folder, found: Not a directory; name a folder"):
        asyncio.run(enter(data=tmp_path / "data", interpreted=True))
    assert (tmp_path / "data").read_text() == "mine"


def test_a_lock_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(mmsb.EnvironmentFailed, match="lock: expected to lock it and write a process number into it"):
        asyncio.run(enter(data=tmp_path, interpreted=True))


def test_a_bus_is_entered_before_it_is_used_with_async_with(tmp_path: Path) -> None:
    async def without() -> None:
        await app.run(data=tmp_path).submit(Deposit(1, 1))

    async def after() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            """Nothing yet."""
        await bank.submit(Deposit(1, 1))

    async def plain() -> None:
        with app.run(data=tmp_path):
            """Never."""

    async def again() -> None:
        bank = app.run(data=tmp_path, interpreted=True)
        for _ in range(2):
            async with bank:
                """Once."""

    async def elsewhere() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            await asyncio.to_thread(lambda: asyncio.run(bank.submit(Deposit(1, 1))))

    for mistake, message in (
        (again, "a bus runs once: call app.run"),
        (elsewhere, "it runs on another event loop: use it there"),
        (without, "async with app.run"),
        (after, "async with app.run"),
        (plain, "write `async with`"),
    ):
        with pytest.raises(mmsb.InvalidValue, match=message):
            asyncio.run(mistake())


def test_a_forgotten_await_is_told_by_python(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bank:
            with pytest.warns(RuntimeWarning, match=r"'Bus.submit' was never awaited"):
                bank.submit(Open(1, "ann"))  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]

    asyncio.run(main())


def test_a_folder_is_run_once_also_within_a_process(tmp_path: Path) -> None:
    with pytest.raises(mmsb.FolderInUse, match="this process runs this data folder already; use that bus"):
        asyncio.run(provoke.folder_in_use())


def test_nobody_can_be_connected_to_where_nothing_runs(tmp_path: Path) -> None:
    async def main(folder: Path) -> None:
        async with mmsb.connect(folder, app):
            """Never."""

    with pytest.raises(mmsb.EnvironmentFailed, match="no process runs this data folder; start one with `mmsb run`"):
        asyncio.run(main(tmp_path))
    with pytest.raises(mmsb.EnvironmentFailed, match="found no folder; name another, or a cluster"):
        asyncio.run(main(tmp_path / "nowhere"))


def test_a_new_folder_is_durable_by_its_name(tmp_path: Path) -> None:
    synced: list[Path] = []
    world = RealWorld()
    sync_folder = world.files.sync_folder

    def note(path: Path) -> None:
        synced.append(path)
        sync_folder(path)

    world.files.sync_folder = note  # type: ignore[method-assign]

    async def main() -> None:
        async with Engine(app.bundle(), tmp_path / "a" / "b", Settings(interpreted=True), world):
            """It is made."""

    asyncio.run(main())
    wanted = {tmp_path, tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "0"}
    assert wanted <= set(synced)
