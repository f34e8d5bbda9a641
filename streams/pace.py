"""How a long work on a thread leaves the cores to those who wait for an outcome."""

import time
from collections.abc import Callable
from typing import Final

RESTS: Final = 7
"""Times as long as it worked: the work then takes an eighth of a core, and eight times as long."""

REST_SECONDS_MAX: Final = 1.0

LOOK_SECONDS: Final = 0.05
"""So often it looks whether others still wait."""


class Pace:
    """Rests after each part of a long work on a thread, as long as others wait for the cores that it takes.

    On two cores a checkpoint that was verified without rest took a third of the engine's speed away meanwhile.
    """

    def __init__(self, seconds: Callable[[], float], is_busy: Callable[[], bool], rests: int = RESTS) -> None:
        self._seconds = seconds
        self._is_busy = is_busy
        self._rests = rests
        self._begun = seconds()

    def __call__(self, done: int, total: int) -> None:
        """A part is done."""
        left = min(self._rests * (self._seconds() - self._begun), REST_SECONDS_MAX)
        while left > 0 and self._is_busy():
            time.sleep(min(left, LOOK_SECONDS))
            left -= LOOK_SECONDS
        self._begun = self._seconds()
