"""Where the engine is measured: a folder on the disk that holds the repository, never in memory, gone afterwards."""

import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.machine import ROOT

CACHE: Final = ROOT / ".cache"
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
