"""A disk is full: what could not be written was promised to nobody, and with some space it goes on where it was."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import mmsb
from examples.bank import Deposit, app
from mmsb.cli.exits import Exit
from mmsb.streams.stats import PartitionStats
from tests.faults import folders
from tests.faults.clients import ROUNDS, Heard, judge, work
from tests.faults.owners import Owners

pytestmark = pytest.mark.slow

FULL = "No space left on device; free some space there and start again"
BALLAST = "ballast"

Mount = Callable[..., Path]


def fill(disk: Path) -> None:
    """Leave no room at all."""
    with (disk / BALLAST).open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def free(disk: Path) -> None:
    (disk / BALLAST).unlink()


async def _work_until_full(data: Path, disk: Path) -> Heard:
    heard = Heard()

    async def between(number: int) -> None:
        if number == 1:
            fill(disk)

    async with asyncio.timeout(30):
        while not (data / "socket").exists():
            await asyncio.sleep(0.01)
    async with mmsb.connect(data, app) as bank:
        await work(bank, heard, between)
    return heard


@pytest.mark.parametrize(
    ("part", "stops"), [("", True), ("0/intents", True), ("0/tlog", True), ("0/home", True), ("0/checkpoints", False)]
)
def test_a_disk_fills_up_under_a_running_owner(
    owners: Owners, mount: Mount, tmp_path: Path, part: str, stops: bool
) -> None:
    """While it appends, flushes, or makes a checkpoint, which is told to who asked for it: then the owner goes on."""
    disk = mount("-t", "tmpfs", "-o", "size=12m", "tmpfs")
    data = disk / "data" if not part else tmp_path / "data"
    if part:
        (data / part).mkdir(parents=True)
        subprocess.run(["mount", "--bind", disk, data / part], check=True)
    errors = tmp_path / "errors"
    process = owners.begin(["run", "examples.bank:app", "--data", str(data), "--interpreted", "--json"], errors)
    owners.go()
    heard = asyncio.run(_work_until_full(data, disk))
    assert heard.error is not None
    if not stops:
        os.kill(process, signal.SIGTERM)
    code = owners.end()
    free(disk)
    if stops:
        assert code == Exit.ENVIRONMENT, errors.read_text()
        assert FULL in f"{errors.read_text()} {heard.error}"
        assert len(heard.told) < 4 * ROUNDS
    else:
        assert code == Exit.DONE, errors.read_text()
        assert "No space left on device" in str(heard.error)
    judge(data, heard)
    if part:
        subprocess.run(["umount", "--lazy", data / part], check=True)


async def _work_without_room(data: Path, disk: Path) -> None:
    async with asyncio.timeout(30):
        while not (data / "socket").exists():
            await asyncio.sleep(0.01)
        async with mmsb.connect(data, app) as bank:

            async def until(count: Callable[[PartitionStats], int]) -> None:
                while count((await bank.stats()).partitions[0]) < 2:
                    await bank.submit(Deposit(1, 1))
                    await asyncio.sleep(0.01)

            await until(lambda stats: stats.checkpoint_failures)
            free(disk)
            await until(lambda stats: stats.checkpoints)


def test_a_disk_fills_up_where_checkpoints_are_made_by_schedule(owners: Owners, mount: Mount, tmp_path: Path) -> None:
    """Nobody asked for them, and nothing needs them: the owner goes on, says so, and makes them once there is room."""
    disk = mount("-t", "tmpfs", "-o", "size=12m", "tmpfs")
    data, errors = tmp_path / "data", tmp_path / "errors"
    (data / "0/checkpoints").mkdir(parents=True)
    subprocess.run(["mount", "--bind", disk, data / "0/checkpoints"], check=True)
    fill(disk)
    often = ["--checkpoint-seconds", "0.1"]
    process = owners.begin(["run", "examples.bank:app", "--data", str(data), "--interpreted", *often], errors)
    owners.go()
    asyncio.run(_work_without_room(data, disk))
    os.kill(process, signal.SIGTERM)
    assert owners.end() == Exit.DONE, errors.read_text()
    assert "no checkpoint was made by schedule" in errors.read_text()
    assert FULL in errors.read_text()
    assert folders.problems(data) == []
    subprocess.run(["umount", "--lazy", data / "0/checkpoints"], check=True)


def test_an_archive_finds_no_room_when_it_is_written_or_read(owners: Owners, mount: Mount, tmp_path: Path) -> None:
    image, errors = folders.make(tmp_path), tmp_path / "errors"
    disk = mount("-t", "tmpfs", "-o", "size=4m", "tmpfs")
    archive, data = disk / "archive", disk / "data"
    into, out = (
        ["checkpoint", "import", str(archive), str(data)],
        ["checkpoint", "export", str(image), str(archive)],
    )
    for command, made in ((out, archive), (into, data / "0")):
        fill(disk)
        assert owners.run(command, errors) == Exit.ENVIRONMENT
        assert FULL in errors.read_text()
        assert not made.exists()
        free(disk)
        assert owners.run(command, errors) == Exit.DONE, errors.read_text()
        assert made.exists()
    assert folders.problems(data) == []
