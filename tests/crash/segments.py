"""Logs that begin a new segment often, so that short runs have several."""

from collections.abc import Generator
from contextlib import contextmanager

from mmsb.streams.log import Log


@contextmanager
def small_segments(size: int) -> Generator[None]:
    """Until the end of it logs are opened with segments of `size` bytes."""
    function = Log.open.__func__  # type: ignore[attr-defined]
    before = function.__defaults__
    function.__defaults__ = (size,)
    try:
        yield
    finally:
        function.__defaults__ = before
