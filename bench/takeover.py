"""How long a data folder is without an owner: one is killed, another serves, and a client asks until it is answered.

A client is a process that was connected before: it comes again every millisecond, and its first answer is a page.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.machine import ROOT
from mmsb.cli.owner import Owner
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.state.pages import PageId

APP: Final = "bench.bank:app"
AGAIN_SECONDS: Final = 0.001


class Server:
    """`mmsb run` over a folder. It says when it waits, if it is a spare, and when it is ready."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "mmsb", "run", APP, "--data", str(folder), "--json", *options]
        paths = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True
        )

    def until(self, event: str) -> None:
        """Wait until it says that."""
        assert self._process.stdout is not None, "it is a pipe"
        said = self._process.stdout.readline()
        assert said, f"it says on its standard error why it did not get as far as {event!r}"
        assert json.loads(said)["event"] == event, f"it is to say {event!r}"

    def kill(self) -> None:
        """Returns when it is gone, and its lock with it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@contextmanager
def owned(folder: Path) -> Generator[list[Server]]:
    """An owner, ready, as the last of those that are there; whoever is the last in the end is killed."""
    servers = [Server(folder)]
    try:
        servers[-1].until("ready")
        yield servers
    finally:
        for server in servers:
            server.kill()


def by_spare(servers: list[Server], folder: Path, page: PageId) -> float:
    """Seconds from the kill of the last one to an answer of a spare that waits for that."""
    spare = Server(folder, "--spare")
    servers.append(spare)
    spare.until("waiting")
    begun = time.perf_counter()
    servers.pop(0).kill()
    until_answered(folder, page)
    seconds = time.perf_counter() - begun
    spare.until("ready")
    return seconds


def by_new_process(servers: list[Server], folder: Path, page: PageId) -> float:
    """The same, where a new process is started once that is gone."""
    begun = time.perf_counter()
    servers.pop(0).kill()
    servers.append(Server(folder))
    until_answered(folder, page)
    seconds = time.perf_counter() - begun
    servers[-1].until("ready")
    return seconds


def until_answered(folder: Path, page: PageId) -> None:
    """Ask for a page, again and again, until it comes."""
    while True:
        try:
            owner = Owner(folder)
        except EnvironmentFailed:
            time.sleep(AGAIN_SECONDS)
            continue
        [found] = owner.get(0, [page])
        owner.close()
        assert found is not None, "the page was there before"
        return
