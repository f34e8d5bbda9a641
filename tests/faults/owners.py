"""`mmsb run` in processes that a loaded one forks, so that what fails in them can be chosen, each in milliseconds.

`python -m tests.faults.owners` reads an order, says the number of a process that waits at a gate (so that strace can
be attached), lets it go on when it is told to, and says how it ended.
"""

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from unittest.mock import patch

from mmsb.cli.main import main
from mmsb.streams import flushing
from tests.cli.running import environment
from tests.crash.segments import small_segments
from tests.faults.kills import checkpoint_and_trim, killed_at
from tests.project.tree import ROOT

FLUSH_SECONDS = 0.02
SEGMENT_BYTES = 24_000
GO = b"go\n"
LOADED = (
    "examples.bank", "mmsb.cli.serve", "mmsb.cli.checkpoints", "mmsb.streams.bus", "mmsb.streams.store.rocks",
    "mmsb.streams.checkpoints.archive", "mmsb.streams.checkpoints.installing",
)  # fmt: skip
"""What a forked process should not load once more."""

TRIM = "checkpoint-and-trim"
"""An order of ours, as if it were a command."""


class Owners:
    """Its parent's side: one process at a time."""

    def __enter__(self) -> "Owners":
        self._living, self._gone = 0, False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.owners"], cwd=ROOT, env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_living()
        self._process.communicate(timeout=30)

    def begin(self, command: list[str], errors: Path, kill_at: int = 0) -> int:
        """A process that waits at the gate; gives its number. It kills itself before its so manieth file operation."""
        self._end_living()
        self._say(json.dumps([command, str(errors), kill_at]).encode() + b"\n")
        self._living, self._gone = int(self._hear()), False
        return self._living

    def go(self) -> None:
        self._gone = True
        self._say(GO)

    def end(self) -> int:
        """Wait for its end; gives its exit code."""
        code = int(self._hear())
        self._living = 0
        return code

    def run(self, command: list[str], errors: Path, kill_at: int = 0) -> int:
        self.begin(command, errors, kill_at)
        self.go()
        return self.end()

    def _end_living(self) -> None:
        """Of a test that failed, whose gate may still be closed."""
        if self._living:
            os.kill(self._living, signal.SIGKILL)
            if not self._gone:
                self.go()
            self.end()

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)

    def _hear(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _live(command: list[str], errors: str, kill_at: int, gate: int) -> int:
    """What the forked process does."""
    null = os.open(os.devnull, os.O_RDWR)
    file = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, target in ((null, 0), (null, 1), (file, 2)):
        os.dup2(number, target)
    os.read(gate, 1)
    small = small_segments(SEGMENT_BYTES)
    with small, patch.object(flushing, "FLUSH_SECONDS", FLUSH_SECONDS), killed_at(kill_at) as arm:
        if command[0] == TRIM:
            asyncio.run(checkpoint_and_trim(Path(command[1]), arm))
            return 0
        arm()
        return main(command)


def serve() -> None:
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        command, errors, kill_at = json.loads(line)
        assert threading.active_count() == 1, "only then a fork is whole"
        gate, opener = os.pipe()
        process = os.fork()
        if process == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            code = 1
            try:
                code = _live(command, errors, kill_at, gate)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(process, flush=True)
        assert sys.stdin.buffer.readline() == GO
        os.write(opener, b"!")
        os.close(opener)
        os.close(gate)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
