"""What a simulation asks of the shipped engine beside its door."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from mmsb.streams import opening
from mmsb.streams.beginning import Begun
from mmsb.streams.engine import Engine
from mmsb.streams.events import events
from mmsb.streams.log import Log, log
from mmsb.streams.partition import Partition
from mmsb.streams.serving import address
from tests.simulation.heard import State


def states(engine: Engine) -> list[State]:
    return [_state(partition) for partition in engine._partitions]


def _state(partition: Partition[Any]) -> State:
    opened, fold = partition.opened, partition.opened.writer.fold
    return State(opened.intents.end - 1, fold.settled, (fold.digest.a, fold.digest.b))


def limit(engine: Engine, in_flight_bytes: int) -> None:
    for partition in engine._partitions:
        partition.journal.inbox.limit = in_flight_bytes


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


@contextmanager
def sockets_elsewhere() -> Generator[None]:
    """Within it, a data folder's socket is no file: whoever listens or connects asks the loop's network alone."""
    with patch.multiple(address, listen=lambda folder: None, remove=lambda folder: None, reach=lambda folder: None):
        yield


@contextmanager
def lag_of(records: int) -> Generator[None]:
    """Within it, a feed of events is far behind if it is so many records of the TLog behind."""
    with patch.object(events, "LAG_MAX", records):
        yield


@contextmanager
def entries_heard(hear: Callable[[], None]) -> Generator[None]:
    """Within it, `hear` is called before and after each record that a start appends to a TLog."""
    append_entry = opening.append_entry

    def heard(*arguments: Any) -> int:
        hear()
        offset = append_entry(*arguments)
        hear()
        return offset

    with patch.object(opening, "append_entry", heard):
        yield


@contextmanager
def trims_heard(hear: Callable[[], None]) -> Generator[None]:
    """Within it, `hear` is called before segments in front of a log are removed."""
    untyped: Any = log
    trim = untyped.trim

    def heard(*arguments: Any) -> None:
        hear()
        trim(*arguments)

    with patch.object(log, "trim", heard):
        yield


@contextmanager
def begins_heard(hear: Callable[[int, int], None]) -> Generator[None]:
    """Within it, `hear` is told of each partition that is opened, and of the TLog offset at which its fold begins."""
    fold_rest = opening.fold_rest

    def heard(begun: Begun, *arguments: Any) -> None:
        hear(begun.fold.genesis.partition, begun.fold.next)
        fold_rest(begun, *arguments)

    with patch.object(opening, "fold_rest", heard):
        yield


@contextmanager
def heard(
    begins: Callable[[int, int], None], appends: Callable[[], None], trims: Callable[[], None]
) -> Generator[None]:
    """All three."""
    with begins_heard(begins), entries_heard(appends), trims_heard(trims):
        yield
