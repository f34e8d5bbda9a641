"""Where the engine is measured: a folder on the disk that holds the repository, never in memory, gone afterwards."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.machine import ROOT

CACHE: Final = ROOT / ".cache"
_TOUCH_BYTES: Final = 1 << 22
_IN_MEMORY: Final = ("tmpfs", "ramfs")


@contextmanager
def data_folder(needed: int = 0) -> Generator[Path]:
    """An empty folder with room for so many bytes; all that is in it goes away again."""
    CACHE.mkdir(exist_ok=True)
    kind = file_system(CACHE)
    if kind in _IN_MEMORY:
        sys.exit(f"bench: {CACHE} is {kind}, where syncing costs nothing; clone the repository to a disk and run there")
    if room(CACHE) < needed:
        sys.exit(f"bench: {CACHE} needs {needed:,} bytes and has {room(CACHE):,}; free some space there")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as name:
        yield Path(name)


def room(folder: Path) -> int:
    """How many bytes may still be written there."""
    return shutil.disk_usage(folder).free


def touch_memory(folder: Path, size: int) -> None:
    """Have the kernel hold the memory that so many bytes of files will need, as after it has run for a while.

    Virtual machines hand out memory that was free for some time at a tenth of the speed: writing a file takes 80 ms or
    500 by that alone. So whoever compares writers does this before each, or only one of them pays.
    """
    path = folder / "touched"
    with path.open("wb") as file:
        for _ in range(0, size, _TOUCH_BYTES):
            file.write(bytes(_TOUCH_BYTES))
    path.unlink()


def rest(folder: Path, size: int) -> None:
    """Before a turn: have nothing wait for the disk, and memory ready for so many bytes of files."""
    os.sync()
    touch_memory(folder, size)


def file_system(folder: Path) -> str:
    """What kind of file system a folder is on, as the kernel calls it."""
    best, kind = "", "unknown"
    where = str(folder.resolve())
    for line in _mounts():
        fields = line.split()
        point = fields[4]
        if len(point) >= len(best) and (where + "/").startswith(point.rstrip("/") + "/"):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def _mounts() -> list[str]:
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except OSError:
        return []
