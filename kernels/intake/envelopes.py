"""Rules 2 and 3 over columns, compiled: the envelopes of packed intents (docs/formats.md, section 6).

mmsb.schemas.envelopes and mmsb.processors.judging say the same slowly. JSON intents are only told apart here, and what
needs the state (`too_many_sources`) is left to whoever has it.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.intake.metadata import load_u16, metadata_problem
from mmsb.kernels.intake.record_batches import FLAGS, VALUE_AT, VALUE_SIZE, Columns
from mmsb.kernels.intake.rejections import reject, reject_number
from mmsb.kernels.jit import branching, inlined
from mmsb.kernels.memory import Bytes, Word, Words, load_u64
from mmsb.schemas.envelopes import HAS_ID, HAS_METADATA, HAS_SOURCE, HEADER, INTENT_VERSION, MAGIC
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.records import CONTROL
from mmsb.schemas.rejections import Code
from mmsb.schemas.sources import FOLLOW_UP as _FOLLOW_UP
from mmsb.schemas.sources import OUTSIDE as _OUTSIDE
from mmsb.schemas.statuses import Status

# The rows of an array of envelopes. What is not there, and all of what does not go on, is ABSENT at size 0.
VERDICT: Final = 0
TYPE: Final = 1  # index into the types that are known
ID_AT: Final = 2
SOURCE_AT: Final = 3  # the part of 32 bytes
SOURCE_KIND: Final = 4
ARGUMENTS_AT: Final = 5
ARGUMENTS_SIZE: Final = 6
METADATA_AT: Final = 7
METADATA_SIZE: Final = 8
ROWS: Final = 9

# Verdicts.
GO_ON: Final = 0
REJECTED: Final = int(Status.REJECTED)
NOOP: Final = int(Status.NOOP)
SLOW: Final = 9  # JSON, not looked at yet

ABSENT: Final = -1

_TRANSACTIONAL: Final = int(Code.TRANSACTIONAL)
_NOT_AN_INTENT: Final = int(Code.NOT_AN_INTENT)
_TOO_LARGE: Final = int(Code.INTENT_TOO_LARGE)
_MALFORMED: Final = int(Code.MALFORMED)
_UNKNOWN_VERSION: Final = int(Code.UNKNOWN_VERSION)
_METADATA_VERSION: Final = int(Code.METADATA_VERSION)
_FOREIGN_SOURCE: Final = int(Code.FOREIGN_SOURCE)
_FINE: Final = int(Code.NONE)

_HEADER_BYTES: Final = HEADER.size
_NULL: Final = -1  # stands for the first byte of nothing
_JSON: Final = ord("{")
_PACKED: Final = MAGIC[0]
_MAGIC: Final = np.uint64(int.from_bytes(MAGIC, "little"))
_MAGIC_MASK: Final = np.uint64(0xFF_FFFF)
_U32: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ZERO: Final = np.uint64(0)


@branching
def read_envelopes(
    buffer: Bytes,
    columns: Columns,
    start: int,
    stop: int,
    types: Words,
    log: Words,
    partition_count: int,
    envelopes: Columns,
    rejections: Words,
) -> None:
    """Judge records `start` up to `stop` as far as their envelopes go.

    `types` are the known type ids, rising; `log` is the log's id in two words. `envelopes` gets a column for each
    record and `rejections` a row for each one rejected, both at the record's index; other rows stay as they are.
    """
    for index in range(start, stop):
        verdict = _judge(buffer, columns, index, types, log, partition_count, envelopes, rejections)
        envelopes[VERDICT, index] = verdict
        if verdict != GO_ON:
            _clear(envelopes, index)


@inlined
def _clear(envelopes: Columns, index: int) -> None:
    envelopes[TYPE, index] = envelopes[ID_AT, index] = envelopes[SOURCE_AT, index] = ABSENT
    envelopes[ARGUMENTS_AT, index] = envelopes[METADATA_AT, index] = ABSENT
    envelopes[SOURCE_KIND, index] = envelopes[ARGUMENTS_SIZE, index] = envelopes[METADATA_SIZE, index] = 0


@inlined
def _judge(
    buffer: Bytes,
    columns: Columns,
    index: int,
    types: Words,
    log: Words,
    partition_count: int,
    envelopes: Columns,
    rejections: Words,
) -> Any:
    flags, at, size = columns[FLAGS, index], columns[VALUE_AT, index], columns[VALUE_SIZE, index]
    if flags != 0:
        if flags & CONTROL:
            return NOOP
        reject(rejections, index, _TRANSACTIONAL)
        return REJECTED
    if size <= 0:
        reject_number(rejections, index, _NOT_AN_INTENT, _NULL, 0)
        return REJECTED
    if size > INTENT_BYTES_MAX:
        reject_number(rejections, index, _TOO_LARGE, size, INTENT_BYTES_MAX)
        return REJECTED
    first = np.int64(buffer[at])
    if first == _JSON:
        return SLOW
    if first != _PACKED:
        reject_number(rejections, index, _NOT_AN_INTENT, first, 0)
        return REJECTED
    code, value = _read_packed(buffer, at, size, index, types, log, partition_count, envelopes)
    if code == _FINE:
        return GO_ON
    if value == ABSENT:
        reject(rejections, index, code)
    else:
        reject_number(rejections, index, code, value, 0)
    return REJECTED


@inlined
def _read_packed(
    buffer: Bytes,
    at: int,
    size: int,
    index: int,
    types: Words,
    log: Words,
    partition_count: int,
    envelopes: Columns,
) -> tuple[Any, Any]:
    """A packed intent into column `index`; gives the code with which it is refused, and that code's value."""
    if size < _HEADER_BYTES:
        return _MALFORMED, ABSENT
    head = load_u64(buffer, at)
    if head & _MAGIC_MASK != _MAGIC:
        return _MALFORMED, ABSENT
    version, parts, kind = np.int64(buffer[at + 3]), np.int64(buffer[at + 4]), np.int64(buffer[at + 5])
    if version != INTENT_VERSION:
        return _UNKNOWN_VERSION, version
    if parts > (HAS_ID | HAS_SOURCE | HAS_METADATA) or (kind != 0) != (parts & HAS_SOURCE != 0):
        return _MALFORMED, ABSENT
    source_at = at + _HEADER_BYTES + 16 * (parts & HAS_ID)
    arguments_at = source_at + 16 * (parts & HAS_SOURCE)
    metadata_at = arguments_at + 8 * load_u16(buffer, at + 6)
    end = at + size
    if metadata_at > end or (metadata_at < end) != (parts & HAS_METADATA != 0):
        return _MALFORMED, ABSENT
    if kind != 0 and not _is_source(buffer, source_at, kind):
        return _MALFORMED, ABSENT
    if metadata_at < end:
        code = metadata_problem(buffer, metadata_at, end - metadata_at)
        if code != _FINE:
            return code, load_u16(buffer, metadata_at) if code == _METADATA_VERSION else ABSENT
    if kind == _FOLLOW_UP and not _is_of_log(buffer, source_at, log, partition_count):
        return _FOREIGN_SOURCE, ABSENT
    envelopes[TYPE, index] = find_type(types, load_u64(buffer, at + 8))
    envelopes[ID_AT, index] = at + _HEADER_BYTES if parts & HAS_ID else ABSENT
    envelopes[SOURCE_AT, index] = source_at if kind != 0 else ABSENT
    envelopes[SOURCE_KIND, index] = kind
    envelopes[ARGUMENTS_AT, index] = arguments_at
    envelopes[ARGUMENTS_SIZE, index] = metadata_at - arguments_at
    envelopes[METADATA_AT, index] = metadata_at if metadata_at < end else ABSENT
    envelopes[METADATA_SIZE, index] = end - metadata_at
    return _FINE, ABSENT


@inlined
def _is_source(buffer: Bytes, at: Any, kind: Any) -> Any:
    """Whether a source's part is one: number, hops and zero."""
    number, last = np.int64(load_u64(buffer, at + 16)), load_u64(buffer, at + 24)
    hops = last & _LOW
    if number < 1 or last >> _U32 != _ZERO:
        return False
    return (kind == _FOLLOW_UP and hops != _ZERO) or (kind == _OUTSIDE and hops == _ZERO)


@inlined
def _is_of_log(buffer: Bytes, at: Any, log: Words, partition_count: int) -> Any:
    """Whether a follow-up's source is a partition of this log."""
    first, second = load_u64(buffer, at), load_u64(buffer, at + 8)
    if np.int64(first & _LOW) >= partition_count:
        return False
    return first >> _U32 == log[0] & _LOW and second == (log[0] >> _U32) | (log[1] << _U32)


@inlined
def find_type(types: Words, type_id: Word) -> Any:
    """The index of a type id; ABSENT if it is not among them."""
    low, count = 0, types.shape[0]
    while count > 1:  # the number of steps depends on the count alone, so mixed types cost no mispredicted branches
        half = count >> 1
        low += half if types[low + half] <= type_id else 0
        count -= half
    return low if count == 1 and types[low] == type_id else ABSENT
