"""What goes wrong around a running application: each ends in the error of its name (docs/errors.md runs them)."""

import tempfile
from pathlib import Path

import mmsb
from examples.bank import Deposit, app
from mmsb.streams.bus import Bus
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.files import File, RealFiles
from mmsb.streams.world import RealWorld


def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="mmsb-"))


async def folder_in_use() -> None:
    data = folder()
    async with app.run(data=data, interpreted=True), app.run(data=data, interpreted=True):
        raise AssertionError("two processes write one folder")


async def generation_conflict() -> None:
    data = folder()
    async with app.run(data=data, interpreted=True):
        """The bank runs in it under generation 1."""
    async with mmsb.App("bank", generation=1).run(data=data, interpreted=True):
        raise AssertionError("other code runs under the same generation")


class FullDisk(RealFiles):
    """Takes what is written, and cannot make it durable once `full` is set."""

    full = False

    def create(self, path: Path) -> File:
        file = super().create(path)
        sync = file.sync

        def sync_unless_full() -> None:
            if self.full:
                raise mmsb.EnvironmentFailed(f"{path}: expected to sync it, found: No space left on device; free some")
            sync()

        file.sync = sync_unless_full  # type: ignore[method-assign]
        return file


def bank_on(disk: RealFiles, data: Path) -> Bus:
    world = RealWorld()
    world.files = disk
    return Bus(Engine(app.bundle(), data, Settings(interpreted=True), world), app.name)


async def outcome_unknown() -> None:
    disk = FullDisk()
    async with bank_on(disk, folder()) as bank:
        await bank.submit(Deposit(1, 5))
        disk.full = True
        await bank.submit(Deposit(1, 5), id="salary-11")
