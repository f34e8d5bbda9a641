"""Real files and threads, and a disk on which one operation fails: an error of ours, no hang, and nothing left open."""

import asyncio
import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import mmsb
from examples.bank import Account, Deposit, Open, app
from mmsb.streams.bus import Bus
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.files import File, RealFile, RealFiles, failed
from tests.crash.recording import FilesWorld

ACCOUNTS = 5
COUNTED = ("write", "read", "sync", "truncate")


class FailingFile(RealFile):
    """Its operations are counted by its disk."""

    disk: "FailingDisk"

    def __getattribute__(self, name: str) -> Any:
        if name in COUNTED:
            self.disk.count(self._path, name)
        return super().__getattribute__(name)

    def close(self) -> None:
        self.disk.left_open.discard(self)
        super().close()


class FailingDisk(RealFiles):
    """The n-th operation fails; 0 is none."""

    def __init__(self, failing: int) -> None:
        self._failing = failing
        self.operations = 0
        self.left_open: set[FailingFile] = set()

    def fail_next(self) -> None:
        self._failing = self.operations + 1

    def count(self, path: Path, what: str) -> None:
        self.operations += 1
        if self.operations == self._failing:
            raise failed(path, what, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _watch(self, path: Path, flags: int) -> File:
        self.count(path, "open")
        file = FailingFile(path, flags | os.O_CLOEXEC)
        file.disk = self
        self.left_open.add(file)
        return file

    def open(self, path: Path, *, read_only: bool = False) -> File:
        return self._watch(path, os.O_RDONLY if read_only else os.O_RDWR)

    def create(self, path: Path) -> File:
        return self._watch(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def make_folder(self, path: Path) -> None:
        self.count(path, "make")
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self.count(path, "sync")
        super().sync_folder(path)

    def replace(self, source: Path, target: Path) -> None:
        self.count(source, "replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self.count(path, "remove")
        super().remove(path)


async def work(disk: FailingDisk, data: Path) -> None:
    """The same ids each time, so doing it again after a failure completes it."""
    engine = Engine(app.bundle(), data, Settings(interpreted=True), FilesWorld(disk))  # whose home is on this disk, too
    async with asyncio.timeout(20), Bus(engine, app.name) as bank:
        await asyncio.gather(*(bank.submit(Open(number, "ann"), id=f"open-{number}") for number in range(ACCOUNTS)))
        await asyncio.gather(*(bank.submit(Deposit(number, 1), id=f"pay-{number}") for number in range(ACCOUNTS)))
        assert [page.balance async for _, page in bank.scan(Account)] == [1] * ACCOUNTS
        assert len(await bank.history(Account, 1)) == 2


def check(failing: int, data: Path) -> None:
    """A run in which an operation fails, if it comes to so many, and one after it in which none does."""
    disk = FailingDisk(failing)
    try:
        asyncio.run(work(disk, data))
    except mmsb.MmsbError as error:
        assert "No space left on device; free some space there and start again" in str(error)  # noqa: PT017 - or none
    assert not disk.left_open
    asyncio.run(work(FailingDisk(0), data))


def test_whatever_fails_is_told_and_leaves_nothing_open_and_the_next_start_completes_it(tmp_path: Path) -> None:
    sound = FailingDisk(0)
    asyncio.run(work(sound, tmp_path / "sound"))
    assert sound.operations > 40
    for failing in range(1, sound.operations + 1):
        data = tmp_path / str(failing)
        check(failing, data)
        (data / "0" / "mark").write_bytes(b"")  # so that all of it is mended
        check(failing, data)


def test_what_failed_is_told_although_it_is_told_to_stop(tmp_path: Path) -> None:
    async def main() -> None:
        disk = FailingDisk(0)
        engine = Engine(app.bundle(), tmp_path, Settings(interpreted=True), FilesWorld(disk))
        async with Bus(engine, app.name) as bank:
            disk.fail_next()
            with pytest.raises(mmsb.OutcomeUnknown):
                await bank.submit(Deposit(1, 1))
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(20)

    with pytest.raises(mmsb.EnvironmentFailed, match="No space left on device"):
        asyncio.run(main())
