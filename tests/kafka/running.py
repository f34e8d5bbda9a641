"""Programs as readers of the documents start them, to be killed and started again. They end with the tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.kafka.cluster import DIE_WITH_PARENT
from tests.project.tree import ROOT

WAIT_S: Final = 60.0


class Program:
    """One that runs; what it says in all its lives is in one file."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, *command]
        self._folder = folder
        self._output = folder / f"{name}.output"
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
        self.start()

    def start(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def wait(self, words: str) -> None:
        """Until it has said that."""
        deadline = time.monotonic() + WAIT_S
        while words not in self.said():
            assert self._process.poll() is None, f"it ended: {self.said()}"
            assert time.monotonic() < deadline, f"waited for {words!r}: {self.said()}"
            time.sleep(0.05)

    def supervise(self) -> None:
        """Start it again if it has failed, as supervisors do."""
        if self._process.poll():
            self.start()

    def ended(self) -> int:
        """The code that it ends with."""
        return self._process.wait(WAIT_S)

    def stop(self) -> int:
        """As operators do."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def mmsb_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mmsb", *words]


def faust_command(module: str) -> list[str]:
    return [sys.executable, "-m", "faust", "--app", module, "worker", "--without-web", "--loglevel", "info"]
