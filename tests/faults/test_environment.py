"""What is around a data folder is not as it should be: another owner, a disk to read only, a clock, a foreign disk."""

import asyncio
import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import mmsb
from examples.bank import Deposit, Open, app
from mmsb.cli.exits import Exit
from mmsb.streams import flushing
from mmsb.streams.bus import Bus
from mmsb.streams.checkpointing import Keeping
from mmsb.streams.checkpoints.folder import list_names
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.files import RealFiles
from mmsb.streams.world import RealWorld
from tests.faults import folders
from tests.faults.owners import Owners

YEAR_MS = 365 * 24 * 3600 * 1000

Mount = Callable[..., Path]


def run(data: Path) -> list[str]:
    return ["run", "examples.bank:app", "--data", str(data), "--interpreted"]


def test_a_second_process_is_refused_and_the_first_goes_on(owners: Owners, tmp_path: Path) -> None:
    data, errors = tmp_path / "data", tmp_path / "errors"

    async def main() -> None:
        async with app.run(data=data, interpreted=True) as bank:
            await bank.submit(Open(1, "ann"))
            for command in (run(data), ["checkpoint", "import", str(tmp_path / "archive"), str(data)]):
                code = await asyncio.to_thread(owners.run, command, errors)
                assert code == (Exit.CONFLICT if command[0] == "run" else Exit.ENVIRONMENT), errors.read_text()
            assert "writes this data folder, and only one may" in errors.read_text()
            assert (await bank.submit(Deposit(1, 5))).status == mmsb.Status.APPLIED

    asyncio.run(main())
    assert folders.problems(data) == []


@pytest.fixture
def read_only(mount: Mount, tmp_path: Path) -> Path:
    image = folders.make(tmp_path)
    mounted = mount("--bind", image)
    mount_again = ["-o", "remount,ro,bind"]
    subprocess.run(["mount", *mount_again, mounted], check=True)
    return mounted


@pytest.mark.parametrize(
    "command",
    [
        ["get", "DATA", "Account", "1"], ["get", "DATA", "Account", "1", "--at", "9"], ["scan", "DATA", "Account"],
        ["history", "DATA", "Account", "1"], ["blame", "DATA", "Account", "1"], ["log", "DATA"], ["stats", "DATA"],
        ["inspect", "DATA"], ["verify", "DATA"], ["replay", "DATA"], ["diff", "DATA", "DATA"],
        ["checkpoint", "list", "DATA"], ["checkpoint", "verify", "DATA"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_whoever_only_reads_needs_no_more_than_a_folder_to_read(
    owners: Owners, read_only: Path, tmp_path: Path, command: list[str]
) -> None:
    given = [str(read_only) if word == "DATA" else word for word in command]
    errors = tmp_path / "errors"
    assert owners.run(given, errors) == Exit.DONE, errors.read_text()


def test_whoever_writes_is_told_that_he_may_not(owners: Owners, read_only: Path, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    for command in (run(read_only), ["checkpoint", str(read_only)]):
        assert owners.run(command, errors) == Exit.ENVIRONMENT
        assert "Read-only file system" in errors.read_text()
    exported = tmp_path / "archive"
    assert owners.run(["checkpoint", "export", str(read_only), str(exported)], errors) == Exit.DONE


class JumpingWorld(RealWorld):
    """Its clock of the day goes to and fro by years; that which measures does not."""

    def __init__(self) -> None:
        super().__init__()
        self._jumps = itertools.cycle((0, 30 * YEAR_MS, -20 * YEAR_MS, YEAR_MS))

    def time_ms(self) -> int:
        return super().time_ms() + next(self._jumps)


def jumping_bank(data: Path) -> Bus:
    settings = Settings(interpreted=True, keeping=Keeping(every=0.1))
    return Bus(Engine(app.bundle(), data, settings, JumpingWorld()), app.name)


def test_a_clock_that_jumps_moves_neither_time_back_nor_flushes_nor_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flushing, "FLUSH_SECONDS", 0.05)

    async def main() -> None:
        last = 0
        for life in range(2):
            async with jumping_bank(tmp_path) as bank, asyncio.timeout(20):
                made, number = len(list_names(RealFiles(), tmp_path / "0")), 0
                (part,) = (await bank.stats()).partitions
                while len(list_names(RealFiles(), tmp_path / "0")) < min(made + 2, 3):
                    await bank.submit(Open(number, f"{life}"))
                    (part,) = (await bank.stats()).partitions
                    assert part.clock >= last, "a partition's clock never falls"
                    last, number = part.clock, number + 1
                    await asyncio.sleep(0.02)
                assert part.flushes, "time that stands still for the calendar goes on for them"

    asyncio.run(main())
    assert folders.problems(tmp_path) == []


def test_checkpoints_on_another_disk_are_copies(mount: Mount, tmp_path: Path) -> None:
    """Hard links do not reach there, so they take as much room as the state; but they are as good."""
    image = folders.make(tmp_path)
    checkpoints = image / "0" / "checkpoints"
    kept = folders.copy(checkpoints, tmp_path / "kept")
    disk = mount("-t", "tmpfs", "tmpfs")
    subprocess.run(["mount", "--bind", disk, checkpoints], check=True)
    try:
        asyncio.run(_checkpoint(image))
        assert len(list_names(RealFiles(), image / "0")) == 1
        assert folders.problems(image) == []
    finally:
        subprocess.run(["umount", "--lazy", checkpoints], check=True)
    assert kept.exists()


async def _checkpoint(data: Path) -> None:
    async with app.run(data=data, interpreted=True) as bank:
        await bank.checkpoint()
