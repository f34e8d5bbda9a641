"""Messages out of a source, in units that a processor's function is called with."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Final, cast

import numpy as np

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, MmsbError
from mmsb.schemas.records import NULL, Records
from mmsb.streams.edges.attempting import Answer, Rejected
from mmsb.streams.edges.declaring import Iterates, Message, Messages
from mmsb.streams.edges.packing import position_of
from mmsb.streams.edges.strand import Unit
from mmsb.streams.kafka.batches.foreign import EXPANDED_BYTES_MAX, Rows, read_foreign
from mmsb.streams.kafka.cluster.broker import Following

UNITS_AT_ONCE: Final = 1_024
STRETCH_BYTES: Final = 16 << 20  # of messages that are made ready at once
UNREADABLE: Final = (
    "the batch that it was in cannot be read: what is in it breaks Kafka's format, or expands to more than "
    f"EXPANDED_BYTES_MAX = {EXPANDED_BYTES_MAX} bytes"
)


async def units_of_topic(
    following: Following, offset: int, source: str, batch: int | None
) -> AsyncGenerator[list[Unit]]:
    """From an offset on, for ever. With `batch` messages come together, up to so many of those that were fetched."""
    try:
        while True:
            stretches = _stretches(read_foreign(await following.take(), offset), source)
            # In a thread, so that heartbeats go on: what was compressed well may be millions of messages.
            while (stretch := await asyncio.to_thread(next, stretches, None)) is not None:
                messages, rows = stretch
                offset = rows.next
                if rows.records is None:
                    yield [_unreadable(rows, source)]
                    continue
                at_once = batch or UNITS_AT_ONCE
                for start in range(0, len(messages), at_once):
                    part = messages.part(start, start + at_once)
                    yield _ones(part) if batch is None else [_together(part)]
                if not len(messages) or messages.positions[-1] + 1 < rows.next:
                    yield [Unit(None, rows.next)]  # places behind them that no message is at
    finally:
        following.close()


def _stretches(all_rows: Iterable[Rows], source: str) -> Iterator[tuple[Messages, Rows]]:
    """Messages that were fetched together as one, whatever batches a producer made; and what nobody can read.

    Each with the rows that are the last of it, up to a size, as a fetch may expand to many times its own.
    """
    parts: list[Messages] = []
    size, last = 0, None
    for rows in all_rows:
        if last is not None and (rows.records is None or size >= STRETCH_BYTES):
            yield _joined(parts, source), last
            parts, size, last = [], 0, None
        if rows.records is None:
            yield _joined([], source), rows
        else:
            parts.append(_messages(rows, rows.records, source))
            size, last = size + len(rows.records.buffer), rows
    if last is not None:
        yield _joined(parts, source), last


def _joined(parts: Sequence[Messages], source: str) -> Messages:
    if len(parts) == 1:
        return parts[0]
    values, keys, times, positions = list[Any](), list[bytes | None](), list[int](), list[int]()
    for part in parts:
        values += part.values
        keys += part.keys
        times += part.times
        positions += part.positions
    return Messages(values, keys, times, source, positions)


def _ones(messages: Messages) -> list[Unit]:
    columns = zip(messages.values, messages.keys, messages.times, messages.positions, strict=True)
    return [
        Unit(Message(value, key, time, messages.source, at), at + 1, None, len(value or b"") + len(key or b""))
        for value, key, time, at in columns
    ]


def _together(messages: Messages) -> Unit:
    values: Sequence[bytes | None] = messages.values
    size = sum(len(each) for each in values if each) + sum(len(each) for each in messages.keys if each)
    return Unit(messages, messages.positions[-1] + 1, None, size)


def _parts(messages: Messages, batch: int) -> list[Unit]:
    parts = [messages.part(start, start + batch) for start in range(0, len(messages), batch)]
    return [Unit(part, part.positions[-1] + 1) for part in parts]


def _unreadable(rows: Rows, source: str) -> Unit:
    lost = [Rejected(Message(None, None, -1, source, at), UNREADABLE) for at in rows.offsets.tolist()]
    return Unit(None, rows.next, Answer(len(lost), rows.next, rejected=lost))


def _messages(rows: Rows, records: Records, source: str) -> Messages:
    """As columns; None is a key or a value that is not there."""
    data = bytes(records.buffer)
    return Messages(
        _cut(data, records.starts, records.sizes),
        _cut(data, records.key_starts, records.key_sizes),
        _plain(records.times),
        source,
        rows.offsets.tolist(),
    )


def _cut(data: bytes, starts: Sequence[int], sizes: Sequence[int]) -> list[bytes | None]:
    ends = np.asarray(starts, np.int64) + sizes
    absent = np.flatnonzero(np.asarray(sizes, np.int64) == NULL)
    if len(absent) == len(sizes):
        return [None] * len(sizes)
    places = zip(_plain(starts), _plain(ends), strict=True)
    cut: list[bytes | None] = [data[start:end] for start, end in places]
    for row in _plain(absent):
        cut[row] = None
    return cut


def _plain(numbers: Any) -> list[int]:
    """Whatever has them: slicing by Python's own integers is four times as fast as by an array's."""
    found: list[int] = numbers.tolist()
    return found


async def units_of_iterator(iterates: Iterates, source: str, batch: int | None) -> AsyncGenerator[list[Unit]]:
    """For a processor of batches each of its items is a batch: positions, and as many values."""
    items = iterates()
    if not isinstance(items, AsyncIterator):  # pyright: ignore[reportUnnecessaryIsInstance] - without a checker
        raise InvalidValue(f"processor {source!r}: expected a source that gives an async iterator, found {items!r}")
    try:
        async for units in _units_of(items, source, batch):
            yield units
    except MmsbError:
        raise
    except Exception as error:
        raise EnvironmentFailed(
            f"processor {source!r}: its source failed: {type(error).__name__}: {error}; start it again, and it goes on"
        ) from error
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()  # what it holds is let go now, and not when nobody looks


async def _units_of(
    items: AsyncIterator[tuple[int, Any]], source: str, batch: int | None
) -> AsyncGenerator[list[Unit]]:
    last = -1
    async for item in items:
        position, value = _pair(item, source)
        if batch is not None:
            messages = _batch(position, value, source)
            units = _parts(messages, batch) if len(messages) else []
            first, next_ = (messages.positions[0], messages.positions[-1]) if len(messages) else (last + 1, last)
        else:
            position = position_of(position)
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
        position_of(at)
    if (found[1:] <= found[:-1]).any():
        raise InvalidValue(f"{source}: expected positions of a batch that rise, found some that do not")
    return Messages(values, (), (), source, plain)
