"""What the engine needs of the world around it: files, a clock, randomness, threads. A simulation gives it another one.

Everything else that the engine does is decided by what it is told and in which order, so that a run can be repeated.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from mmsb.schemas.errors import EnvironmentFailed, FolderInUse
from mmsb.schemas.tlog.records import REIGN_BYTES
from mmsb.state.store import Snapshot, Store
from mmsb.streams.files import Files, RealFiles, failed

T = TypeVar("T")

LOCK: Final = "lock"


class Worker(Protocol):
    """A long-lived thread that does one thing after another, in the order in which it was asked."""

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Have it call the function. If the caller is cancelled it may do so still, and nobody hears of it."""
        ...

    def close(self) -> None:
        """Let it end when it has done all that it was asked."""
        ...


async def finish(worker: Worker) -> None:
    """Return when all that it was asked before is done, and it has ended."""
    await worker.run(_nothing)
    worker.close()


def _nothing() -> None:
    """What a thread is asked when only its being done matters."""


class Lock(Protocol):
    def close(self) -> None: ...


class World(Protocol):
    @property
    def files(self) -> Files: ...

    def time_ms(self) -> int:
        """Milliseconds since 1970, UTC: what records are stamped with."""
        ...

    def seconds(self) -> float:
        """A clock that never goes back, for measuring and waiting."""
        ...

    def nonce(self) -> bytes:
        """What names a log or a reign: bytes that nobody else draws."""
        ...

    def worker(self, name: str) -> Worker: ...

    def lock(self, folder: Path) -> Lock:
        """Keep everybody else from writing a data folder; raises FolderInUse."""
        ...

    def store(self, folder: Path) -> Store:
        """Rows in a folder that exists: those that are there, or none yet."""
        ...

    def open_checkpoint(self, folder: Path) -> Snapshot:
        """Rows that a store put into a folder; nothing is written there."""
        ...


class RealWorld:
    """This machine."""

    def __init__(self) -> None:
        self.files: Files = RealFiles()

    def time_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def seconds(self) -> float:
        return time.monotonic()

    def nonce(self) -> bytes:
        return os.urandom(REIGN_BYTES)

    def worker(self, name: str) -> Worker:
        return Thread(name)

    def lock(self, folder: Path) -> Lock:
        return FolderLock(folder)

    def store(self, folder: Path) -> Store:
        from mmsb.streams.store.rocks import RocksStore  # loads RocksDB, which few commands need

        return RocksStore(folder)

    def open_checkpoint(self, folder: Path) -> Snapshot:
        from mmsb.streams.store.rocks import RocksCheckpoint

        return RocksCheckpoint(folder)


class Thread:
    """A Worker."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"mmsb-{name}")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class FolderLock:
    """The kernel's lock on a file of the folder: it ends with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        try:
            self._file = (folder / LOCK).open("ab+", buffering=0)
        except OSError as error:
            raise EnvironmentFailed(
                f"{folder}: expected a data folder, found: {error.strerror}; name a folder that this user may write"
            ) from error
        try:
            self._take(folder)
        except BaseException as error:
            self._file.close()
            if isinstance(error, OSError):
                raise failed(folder / LOCK, "lock it and write a process number into it", error) from error
            raise

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().decode(errors="replace").strip()
            if holder == str(os.getpid()):
                raise FolderInUse(f"{folder}: this process runs this data folder already; use that bus") from None
            raise FolderInUse(
                f"{folder}: process {holder or 'of an unknown number'} writes this data folder, and only one may; use "
                "it through mmsb.connect, stop it, or name another folder"
            ) from None
        self._file.truncate(0)
        self._file.write(b"%d\n" % os.getpid())

    def close(self) -> None:
        self._file.close()
