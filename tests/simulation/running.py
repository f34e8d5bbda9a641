"""What a simulation asks of the shipped engine beside its door."""

from collections.abc import Generator
from contextlib import contextmanager

from mmsb.streams.engine import Engine
from mmsb.streams.log import Log


def states(engine: Engine) -> list[tuple[int, tuple[int, int]]]:
    """Of each partition: what has settled, and the digest after that."""
    folds = [partition.opened.writer.fold for partition in engine._partitions]
    return [(fold.settled, (fold.digest.a, fold.digest.b)) for fold in folds]


def limit(engine: Engine, in_flight_bytes: int) -> None:
    for partition in engine._partitions:
        partition.inbox.limit = in_flight_bytes


@contextmanager
def segments_of(size: int) -> Generator[None]:
    """Within it, logs that are opened have segments of this size."""
    function = Log.open.__func__  # type: ignore[attr-defined]
    usual = function.__defaults__
    function.__defaults__ = (size,)
    try:
        yield
    finally:
        function.__defaults__ = usual
