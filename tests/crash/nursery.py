"""A process with everything loaded that forks services to be killed: a fork takes milliseconds, a start of Python long.

`python -m tests.crash.nursery` reads orders, a JSON object a line, and says for each the service's process id, what the
service says, and how it ended.
"""

import json
import os
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

from tests.crash.told import Told, read_told
from tests.project.tree import ROOT

KILLED = -9


@dataclass(frozen=True)
class Life:
    """What came of one order."""

    told: list[Told]
    exit_code: int
    steps: dict[str, int] = field(default_factory=dict[str, int])  # how often each was reached, if nothing killed it
    ready: bool = False

    @property
    def killed(self) -> bool:
        return self.exit_code == KILLED

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_life(text: str) -> Life:
    found: dict[str, Any] = json.loads(text)
    found["told"] = [Told(**told) for told in found["told"]]
    return Life(**found)


Hear = Callable[[int], None]


def ignore(process: int) -> None:
    """Nobody wants to know."""


class Nursery:
    """Its parent's side."""

    def __enter__(self) -> "Nursery":
        command = [sys.executable, "-m", "tests.crash.nursery"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=10)

    def live(self, order: object, when_ready: Hear = ignore, when_born: Hear = ignore) -> Life:
        """Carry out a `service.Order`; the two hear the service's process id once it serves, and at once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")  # type: ignore[call-overload]
        process, told, steps, ready = 0, list[Told](), Counter[str](), False
        while line := self._process.stdout.readline():
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "process":
                process = int(rest)
                when_born(process)
            elif word == "ready":
                ready = True
                when_ready(process)
            elif word == "steps":
                steps.update(json.loads(rest))
            elif word == "ended":
                return Life(told, int(rest), dict(steps), ready)
            else:
                told.append(read_told(line))
        raise EOFError("the nursery has ended")


def main() -> None:
    from tests.crash.service import Order, live, say_to

    say = say_to(sys.stdout.fileno())
    for line in sys.stdin:
        assert threading.active_count() == 1, "only then a fork is whole"
        process = os.fork()
        if process == 0:
            code = 1
            try:
                say(f"process {os.getpid()}")
                say(f"steps {json.dumps(live(Order(**json.loads(line)), say).counts)}")
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(process, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
