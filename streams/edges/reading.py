"""Messages out of a source, in units that a processor's function is called with."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, cast

import numpy as np

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.records import NULL, Records
from mmsb.streams.edges.attempting import Answer, Rejected
from mmsb.streams.edges.declaring import Iterates, Message, Messages
from mmsb.streams.edges.packing import check_position
from mmsb.streams.edges.strand import Unit
from mmsb.streams.kafka.batches.foreign import Rows, read_foreign
from mmsb.streams.kafka.cluster.broker import Following

UNITS_AT_ONCE: Final = 1_024
UNREADABLE: Final = "neither we nor Kafka's own client can read the batch that it was in"


async def units_of_topic(
    following: Following, offset: int, source: str, batch: int | None
) -> AsyncIterator[list[Unit]]:
    """From an offset on, for ever. With `batch` messages come together, up to so many."""
    try:
        while True:
            for rows in read_foreign(await following.take(), offset):
                offset = rows.next
                units = _units(rows, source, batch)
                for start in range(0, len(units), UNITS_AT_ONCE):
                    yield units[start : start + UNITS_AT_ONCE]
    finally:
        following.close()


def _units(rows: Rows, source: str, batch: int | None) -> list[Unit]:
    if rows.records is None:
        return [_unreadable(rows, source)]
    if not len(rows.offsets):
        return [Unit(None, rows.next)]
    messages = _messages(rows, rows.records, source)
    if batch is not None:
        return _parts(messages, batch)
    columns = zip(messages.values, messages.keys, messages.times, messages.positions, strict=True)
    return [Unit(Message(value, key, time, source, at), at + 1) for value, key, time, at in columns]


def _parts(messages: Messages, batch: int) -> list[Unit]:
    parts = [messages.part(start, start + batch) for start in range(0, len(messages), batch)]
    return [Unit(part, part.positions[-1] + 1) for part in parts]


def _unreadable(rows: Rows, source: str) -> Unit:
    lost = [Rejected(Message(None, None, -1, source, at), UNREADABLE) for at in rows.offsets.tolist()]
    return Unit(None, rows.next, Answer(len(lost), rows.next, rejected=lost))


def _messages(rows: Rows, records: Records, source: str) -> Messages:
    """As columns; None is a key or a value that is not there."""
    times: list[int] = [int(time) for time in records.times]
    return Messages(
        _cut(records, records.starts, records.sizes),
        _cut(records, records.key_starts, records.key_sizes),
        times,
        source,
        rows.offsets.tolist(),
    )


def _cut(records: Records, starts: Sequence[int], sizes: Sequence[int]) -> list[bytes | None]:
    data = bytes(records.buffer)
    return [
        None if size == NULL else data[start : start + size]
        for start, size in zip(_plain(starts), _plain(sizes), strict=True)
    ]


def _plain(numbers: Any) -> list[int]:
    """Whatever has them: slicing by Python's own integers is four times as fast as by an array's."""
    found: list[int] = numbers.tolist()
    return found


async def units_of_iterator(iterates: Iterates, source: str, batch: int | None) -> AsyncIterator[list[Unit]]:
    """For a processor of batches each of its items is a batch: positions, and as many values."""
    last = -1
    async for item in iterates():
        position, value = _pair(item, source)
        if batch is not None:
            messages = _batch(position, value, source)
            units = _parts(messages, batch) if len(messages) else []
            first, next_ = (messages.positions[0], messages.positions[-1]) if len(messages) else (last + 1, last)
        else:
            check_position(position)
            first, next_ = position, position
            units = [Unit(Message(value, None, -1, source, position), position + 1)]
        if first <= last:
            raise InvalidValue(f"{source}: expected a position above {last}, the one before, found {first}: what does "
                               "not rise would be taken for a repetition")  # fmt: skip
        last = next_
        yield units


def _pair(item: Any, source: str) -> tuple[Any, Any]:
    pair = cast("tuple[Any, ...]", item)
    if not isinstance(item, tuple) or len(pair) != 2:
        raise InvalidValue(f"{source}: expected pairs of a position and a value, found {item!r}")
    return pair[0], pair[1]


def _batch(positions: Any, values: Any, source: str) -> Messages:
    found = np.asarray(positions)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu") or len(found) != len(values):
        raise InvalidValue(
            f"{source}: expected an integer position for each of {len(values)} values, found {found.dtype} of shape "
            f"{found.shape}"
        )
    plain: list[int] = found.tolist()
    for at in (plain[0], plain[-1]) if plain else ():
        check_position(at)
    if (np.diff(found) <= 0).any():
        raise InvalidValue(f"{source}: expected positions of a batch that rise, found some that do not")
    return Messages(values, (), (), source, plain)
