"""Time without the time in which others had the core, for comparisons on a machine that is not ours alone.

Linux says for how long a thread was ready and had no core. Sleeping and waiting for a disk is not that, and counts.
Where the kernel does not say, this is the time on the wall.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

P = TypeVar("P")

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")


def without_core() -> float:
    """For how many seconds this thread was ready, so far, and another ran."""
    try:
        return int(_SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def seconds_of(run: Callable[[P], object], prepared: P) -> float:
    """How long one call took while it had a core."""
    waited, started = without_core(), time.perf_counter()
    run(prepared)
    took = time.perf_counter() - started
    return took - (without_core() - waited)


class Reading:
    """Both clocks of this thread from here on: on the wall, and on a core."""

    def __init__(self) -> None:
        self._waited = without_core()
        self._wall, self._core = time.perf_counter(), time.thread_time()

    def asleep(self) -> float:
        """Of the time off the core since then, the part that was spent asleep."""
        wall, core = time.perf_counter() - self._wall, time.thread_time() - self._core
        off = max(wall - core, 1e-9)
        return min(max(1 - (without_core() - self._waited) / off, 0.0), 1.0)
