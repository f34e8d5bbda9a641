"""Progress where somebody looks: one line of a terminal, written over; elsewhere nothing is said of it."""

import sys
import time
from typing import Final

REDRAW_SECONDS: Final = 0.1
QUICK_SECONDS: Final = 0.5  # what takes less needs no progress


def tell(text: str) -> None:
    """Write over the line; a text that ends it stays."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """A line that somebody should find, in the log of a service too."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}mmsb: {text}", file=sys.stderr, flush=True)


class Folding:
    """Tells how far the folding of a TLog is, once it takes long enough to ask. Threads may share it."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._drawn = self._begun + QUICK_SECONDS - REDRAW_SECONDS

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            tell(f"mmsb: folding the TLog: {100 * done // total} % of {total:,} records")
        if done == total and now - self._begun > QUICK_SECONDS:
            tell(f"mmsb: folded {total:,} TLog records in {now - self._begun:.1f} s\n")
