"""One broker for all tests of a session, whichever process of pytest-xdist runs them.

Who needs it first starts it, and stops it when it has no more tests and nobody else uses it either. It could not be
one process's alone: handed out one at a time, the tests that need it come to all of them.
"""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.kafka.cluster import running_cluster

WAIT_S: Final = 0.1


@contextmanager
def shared_broker(folder: Path) -> Generator[str]:
    """Its URL. All who give the same folder share it."""
    folder.mkdir(exist_ok=True)
    running = folder / "running"
    with _locked(folder / "starting", fcntl.LOCK_EX) as starting, _locked(folder / "using", fcntl.LOCK_SH) as using:
        if running.exists():
            url = running.read_text()
            _unlock(starting)
            yield url
            return
        with running_cluster(folder / f"by-{os.getpid()}-{time.monotonic_ns()}") as cluster:
            running.write_text(cluster.url)
            _unlock(starting)
            yield cluster.url
            while not _alone(starting, using):
                time.sleep(WAIT_S)
            running.unlink()


@contextmanager
def _locked(path: Path, how: int) -> Generator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def _unlock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _alone(starting: int, using: int) -> bool:
    """Whether nobody else uses it, and nobody is about to: then both stay locked."""
    fcntl.flock(starting, fcntl.LOCK_EX)
    try:
        fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _unlock(starting)
        return False
    return True
