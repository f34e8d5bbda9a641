"""A file that is written from its beginning to its end, while its next part is still being made.

Parts go to the disk by a thread of their own and past the system's cache, which costs a quarter of the time that the
processor needs for copying them there, and leaves in the cache what others read. Some file systems refuse that, and
get them through the cache.
"""

import errno
import mmap
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

ALIGNED: Final = 4_096
"""What goes past the cache begins and ends at multiples of this, in memory and in the file."""

PART_BYTES: Final = 4 << 20
"""How large a part is: smaller ones make disks slower, larger ones take memory."""

PARTS: Final = 3  # one that is being made, one that is written, and one that waits for either

Memory = Any  # a u8 array


class AheadFile:
    """Parts of one file, in memory that is used again."""

    def __init__(self, path: Path) -> None:
        """Make the file anew."""
        self._file = _opened(path)
        self._thread = ThreadPoolExecutor(1, "rows")
        self._writing: deque[tuple[Future[None], Memory]] = deque()
        self._free: list[Memory] = [_memory(PART_BYTES)]
        self._parts = PARTS - 1  # that may still be made
        self.written = 0

    def memory(self, least: int = PART_BYTES) -> Memory:
        """Where a next part of at least so many bytes may be made."""
        if least > PART_BYTES:
            return _memory(-(-least // ALIGNED) * ALIGNED)
        if not self._free and self._parts:
            self._parts -= 1
            return _memory(PART_BYTES)
        while not self._free:
            self._wait_for_one()
        return self._free.pop()

    def write(self, memory: Memory, size: int) -> None:
        """Write its first so many bytes next. What is not a multiple of ALIGNED ends the file."""
        self._writing.append((self._thread.submit(self._write, memory, size, self.written), memory))
        self.written += size

    def finish(self) -> None:
        """All of it is durable; then it is closed."""
        while self._writing:
            self._wait_for_one()
        os.ftruncate(self._file, self.written)
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
        if len(memory) == PART_BYTES:
            self._free.append(memory)

    def _write(self, memory: Memory, size: int, place: int) -> None:
        data = memoryview(memory)[: -(-size // ALIGNED) * ALIGNED]
        while data:
            written = os.pwrite(self._file, data, place)
            data, place = data[written:], place + written


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT, 0o644)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    path.unlink(missing_ok=True)  # Linux makes the file before it refuses
    return os.open(path, flags, 0o644)


def _memory(size: int) -> Memory:
    return np.frombuffer(mmap.mmap(-1, size), np.uint8)
