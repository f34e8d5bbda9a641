"""What a processor gave for a message, as packed intents that carry the message's place."""

from collections.abc import Sequence
from operator import index
from typing import Any, Final, SupportsIndex, cast

import numpy as np

from mmsb.processors.batching import Intents
from mmsb.processors.columns import pack_columns
from mmsb.processors.doors import Mutate, Upsert
from mmsb.processors.requests import metadata, pack_numbered
from mmsb.schemas.classes import Intent, intent_layout_of
from mmsb.schemas.errors import InvalidValue
from mmsb.streams.edges.declaring import POSITION_MAX, Ask, Columns

ORDINAL_BITS: Final = 16
ANSWERS_MAX: Final = 1 << ORDINAL_BITS  # intents that one message may lead to


def number_of(position: int, ordinal: int, count: int) -> int:
    """From 1 on, and rising: what a target counts of a source, for one of `count` intents that a message leads to.

    The last of them has the same number however many there are. So what a second attempt gives beyond what the first
    one gave is dropped with the rest of it, where both go to one partition.
    """
    return (position << ORDINAL_BITS) + ANSWERS_MAX - count + ordinal + 1


def position_of(given: Any) -> int:
    """Also NumPy's integers say where a message is; computed with, they would overflow."""
    position: Any = given
    if type(given) is not int and isinstance(given, SupportsIndex) and not isinstance(given, bool):
        position = index(given)
    if type(position) is not int or not 0 <= position <= POSITION_MAX:
        raise InvalidValue(f"expected a message's position as an integer from 0 to {POSITION_MAX}, found {given!r}")
    return position


def pack_answer(answer: Any, source: bytes, position: int) -> list[bytes]:
    """The intents that a function gave for one message: none, one, or some in their order."""
    if answer is None:
        return []
    if isinstance(answer, Intent | Ask | Mutate | Upsert):
        return [_pack_one(answer, source, number_of(position, 0, 1))]
    if not isinstance(answer, list | tuple):
        raise InvalidValue(f"expected an intent, a list of them or None, found {answer!r}")
    given = cast("Sequence[Any]", answer)
    if len(given) > ANSWERS_MAX:
        raise InvalidValue(f"expected at most ANSWERS_MAX = {ANSWERS_MAX} intents for a message, found {len(given)}")
    count = len(given)
    return [_pack_one(each, source, number_of(position, ordinal, count)) for ordinal, each in enumerate(given)]


def _pack_one(each: Any, source: bytes, number: int) -> bytes:
    if isinstance(each, Ask):
        about = metadata(each.actor, each.reason, each.correlation, each.causation, each.trace).pack()
        return pack_numbered(each.intent, source, number, id=each.id, metadata=about)
    return pack_numbered(each, source, number)


def pack_batch_answer(answer: Any, source: str, positions: Sequence[int]) -> Intents | None:
    """The intents that a function gave for consecutive messages."""
    if answer is None:
        return None
    if not isinstance(answer, Columns):
        raise InvalidValue(f"expected mmsb.Columns(intent, columns) or None, found {answer!r}")
    about = metadata(answer.actor, answer.reason, None, None, None).pack()
    layout = intent_layout_of(answer.intent)
    rows = np.arange(len(positions)) if answer.rows is None else np.asarray(answer.rows)
    numbers = _numbers(np.asarray(positions, np.int64), rows)
    return pack_columns(layout, answer.columns, metadata=about, source=source, numbers=numbers)


def _numbers(positions: Any, rows: Any) -> Any:
    """Of intents by the messages that they are of, as `number_of` has them: equal rows are of one message."""
    if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
        raise InvalidValue(f"rows: expected indices of messages, found {rows.dtype} of shape {rows.shape}")
    if not len(rows):
        return np.empty(0, np.int64)
    if rows[0] < 0 or rows[-1] >= len(positions) or (rows[1:] < rows[:-1]).any():
        raise InvalidValue(f"rows: expected indices from 0 to {len(positions) - 1} that never fall, found {rows!r}")
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    lengths = np.diff(np.r_[starts, len(rows)])
    if int(lengths.max()) > ANSWERS_MAX:
        raise InvalidValue(f"rows: expected at most ANSWERS_MAX = {ANSWERS_MAX} intents for a message")
    counts, ordinals = np.repeat(lengths, lengths), np.arange(len(rows)) - np.repeat(starts, lengths)
    return (positions[rows] << ORDINAL_BITS) + ANSWERS_MAX - counts + ordinals + 1
