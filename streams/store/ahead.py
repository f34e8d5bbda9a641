"""A file that is written from its beginning to its end, while its next part is still being made.

A thread of its own gives parts to the system, and has it begin to write them at once: when the last part is made, most
of the file is on the disk. They stay in the system's cache, since who writes rows soon reads some of them.
"""

import ctypes
import errno
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmsb.streams.files import failed

PART_BYTES: Final = 4 << 20
"""How large a part is: smaller ones make disks slower, larger ones take memory."""

PARTS: Final = 3  # one that is being made, one that is written, and one that waits for either

Memory = Any  # a u8 array

_BEGIN_TO_WRITE: Final = 2  # SYNC_FILE_RANGE_WRITE

_system = ctypes.CDLL(None, use_errno=True)
_system.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


class AheadFile:
    """Parts of one file, in memory that is used again."""

    def __init__(self, path: Path) -> None:
        """Make the file, which does not exist."""
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._thread = ThreadPoolExecutor(1, "rows")
        self._writing: deque[tuple[Future[None], Memory]] = deque()
        self._free: list[Memory] = []
        self._parts = PARTS  # that may still be made
        self.written = 0

    def memory(self, least: int = 0) -> Memory:
        """Where a next part of at least so many bytes may be made."""
        if least > PART_BYTES:
            return np.empty(least, np.uint8)
        while not self._free:
            if self._parts:
                self._parts -= 1
                return np.empty(PART_BYTES, np.uint8)
            self._wait_for_one()
        return self._free.pop()

    def write(self, memory: Memory, size: int) -> None:
        """Write its first so many bytes next, if any; the memory is no longer the caller's."""
        if size:
            self._writing.append((self._thread.submit(self._write, memory, size, self.written), memory))
            self.written += size
        else:
            self._take_back(memory)

    def finish(self) -> None:
        """All of it is durable; then it is closed."""
        while self._writing:
            self._wait_for_one()
        os.fdatasync(self._file)
        self.close()

    def close(self) -> None:
        """Let go of it, finished or not."""
        self._thread.shutdown()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _wait_for_one(self) -> None:
        future, memory = self._writing.popleft()
        future.result()
        self._take_back(memory)

    def _take_back(self, memory: Memory) -> None:
        if len(memory) == PART_BYTES:
            self._free.append(memory)

    def _write(self, memory: Memory, size: int, place: int) -> None:
        data, at = memoryview(memory)[:size], place
        while data:
            written = os.pwrite(self._file, data, at)
            data, at = data[written:], at + written
        if _system.sync_file_range(self._file, place, size, _BEGIN_TO_WRITE):
            number = ctypes.get_errno()
            if number not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):  # who cannot, writes it all in the end
                raise failed(self._path, "write rows into it", OSError(number, os.strerror(number)))
