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
