"""All that the log asks of a file system, so that a simulated one can stand in for it (tests/simulation/disk.py).

Blocking, without buffers of its own. What the system refuses becomes EnvironmentFailed here, with the path, the
system's words and what to do; nothing above sees an OSError.
"""

import errno
import mmap
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.records import Buffer

_READING: Final = os.O_RDONLY | os.O_CLOEXEC
_WRITING: Final = os.O_RDWR | os.O_CLOEXEC

_NEXT: Final = {
    errno.ENOSPC: "free some space there and start again",
    errno.EDQUOT: "raise the quota or free some space there, and start again",
    errno.EACCES: "give this user access to it and start again",
    errno.EPERM: "give this user access to it and start again",
    errno.EROFS: "mount it writable, or name another folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and start again",
    errno.ENFILE: "raise the system's limit of open files and start again",
    errno.EEXIST: "look who else writes into that folder",
    errno.ENOENT: "look whether something removed it or its folder is not mounted",
}
_NEXT_OTHERWISE: Final = "look at the disk and the system's log before starting again"


class File(Protocol):
    """An open file. Calls may come from several threads at once."""

    def write(self, position: int, data: Buffer) -> None:
        """Write all of it, or raise; then any part of it may have been written."""
        ...

    def read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes, fewer only where the file ends."""
        ...

    def map(self) -> Buffer:
        """All that is in it now, as memory, whatever becomes of the file. Looking at it may read from the disk."""
        ...

    def size(self) -> int: ...

    def sync(self) -> None:
        """Make what was written durable. Once this failed, nobody knows what of it is on the disk (fsyncgate)."""
        ...

    def truncate(self, size: int) -> None: ...

    def close(self) -> None: ...


class Files(Protocol):
    """A file system. Names in a folder are durable only after `sync_folder`."""

    def open(self, path: Path, *, read_only: bool = False) -> File: ...

    def create(self, path: Path) -> File:
        """A new, empty file, which must not exist yet."""
        ...

    def exists(self, path: Path) -> bool: ...

    def is_folder(self, path: Path) -> bool: ...

    def names(self, folder: Path) -> list[str]:
        """The names of all that is in a folder, sorted."""
        ...

    def make_folder(self, path: Path) -> None:
        """Make a folder in one that exists; one that exists already will do."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable: what was created, replaced and removed."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name of the same folder, in place of what had that name; a folder, where nothing is."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file one more name, on the same disk, which must be free."""
        ...

    def remove(self, path: Path) -> None: ...

    def remove_folder(self, path: Path) -> None:
        """Remove a folder that is empty."""
        ...


def make_folders(files: Files, folder: Path) -> None:
    """A folder and those above it, as far as they are missing, with durable names."""
    if not files.exists(folder):
        make_folders(files, folder.parent)
        files.make_folder(folder)
        files.sync_folder(folder.parent)


def write_new(files: Files, path: Path, data: bytes) -> None:
    """Make a small file that is there whole or not at all, whenever this is cut short."""
    new = path.with_name(f"{path.name}-new")
    if files.exists(new):
        files.remove(new)  # of one that was
    file = files.create(new)
    try:
        file.write(0, data)
        file.sync()
    finally:
        file.close()
    files.replace(new, path)
    files.sync_folder(path.parent)


def failed(path: Path, what: str, error: OSError) -> EnvironmentFailed:
    """What to raise when the system refuses."""
    words = error.strerror or str(error)
    next_step = _NEXT.get(error.errno or 0, _NEXT_OTHERWISE)
    return EnvironmentFailed(f"{path}: expected to {what}, found: {words}; {next_step}")


@contextmanager
def _explained(path: Path, what: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise failed(path, what, error) from error


class RealFile:
    """A file of the operating system."""

    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        self._number = os.open(path, flags, 0o644)

    def write(self, position: int, data: Buffer) -> None:
        with _explained(self._path, f"write {len(data)} bytes at {position}"):
            written = os.pwrite(self._number, data, position)
            while written < len(data):
                written += os.pwrite(self._number, memoryview(data)[written:], position + written)

    def read(self, position: int, size: int) -> bytes:
        with _explained(self._path, f"read {size} bytes at {position}"):
            data = os.pread(self._number, size, position)
            while len(data) < size and (more := os.pread(self._number, size - len(data), position + len(data))):
                data += more
        return data

    def map(self) -> Buffer:
        with _explained(self._path, "map it into memory"):
            content = mmap.mmap(self._number, 0, access=mmap.ACCESS_READ)
            content.madvise(mmap.MADV_RANDOM)
        return memoryview(content)

    def size(self) -> int:
        with _explained(self._path, "know its size"):
            return os.fstat(self._number).st_size

    def sync(self) -> None:
        with _explained(self._path, "make it durable"):
            os.fdatasync(self._number)

    def truncate(self, size: int) -> None:
        with _explained(self._path, f"cut it to {size} bytes"):
            os.ftruncate(self._number, size)

    def close(self) -> None:
        """Close it; again is nothing. Whether what was written is durable is a question for `sync` alone."""
        if self._number >= 0:
            number, self._number = self._number, -1
            os.close(number)


class RealFiles:
    """The operating system's file system."""

    def open(self, path: Path, *, read_only: bool = False) -> File:
        with _explained(path, "open it"):
            return RealFile(path, _READING if read_only else _WRITING)

    def create(self, path: Path) -> File:
        with _explained(path, "create it"):
            return RealFile(path, _WRITING | os.O_CREAT | os.O_EXCL)

    def exists(self, path: Path) -> bool:
        return os.path.lexists(path)

    def is_folder(self, path: Path) -> bool:
        return path.is_dir() and not path.is_symlink()

    def names(self, folder: Path) -> list[str]:
        with _explained(folder, "list it"):
            return sorted(os.listdir(folder))

    def make_folder(self, path: Path) -> None:
        with _explained(path, "make the folder"):
            path.mkdir(exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        with _explained(path, "make its names durable"):
            number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def replace(self, source: Path, target: Path) -> None:
        with _explained(source, f"rename it to {target.name}"):
            os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        with _explained(target, f"make it one more name of {source}"):
            os.link(source, target)

    def remove(self, path: Path) -> None:
        with _explained(path, "remove it"):
            os.unlink(path)

    def remove_folder(self, path: Path) -> None:
        with _explained(path, "remove it"):
            os.rmdir(path)
