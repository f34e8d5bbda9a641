"""Deltas: what a page's new content differs in, in the fewest bytes (docs/formats.md, section 7).

`change` writes, `check_change` judges a payload from elsewhere without looking at any page, and `apply_change` trusts
what was judged. The same three serve stand-alone records and blocks of the TLog, whose deltas have no header.
"""

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from mmsb.schemas.errors import InvalidDelta, InvalidValue
from mmsb.schemas.types import I64_MAX, U64_MAX, padded
from mmsb.schemas.words import bytes_of, words_of


class DeltaKind(enum.IntEnum):
    """How a payload says which words change. On disk."""

    SPANS = 0
    MASK = 1
    RUNS = 2
    DELETE = 3


class DeltaStatus(enum.IntEnum):
    """What is wrong with a delta. Numbers are in rejections, so on disk."""

    OK = 0
    TRUNCATED = 1
    MAGIC = 2
    KIND = 3
    ZERO = 4
    TYPE = 5
    KEY = 6
    BASE = 7
    PAYLOAD = 8
    ORDER = 9
    BOUNDS = 10
    EMPTY = 11
    CONFLICT = 12
    VALUE = 13
    INVARIANT = 14


MAGIC: Final = b"MMD\x01"
HEADER: Final = struct.Struct("<4sBBHQqII")  # magic, kind, zero, key words, type id, base, payload bytes, zero
KEY_WORDS_MAX: Final = 2**16 - 1  # what the format carries; KEY_BYTES_MAX is below it

# Where in a record each header field stands that a status can point at.
KIND_AT: Final = 4
ZERO_AT: Final = 5
KEY_WORDS_AT: Final = 6
TYPE_AT: Final = 8
BASE_AT: Final = 16
PAYLOAD_SIZE_AT: Final = 24
SECOND_ZERO_AT: Final = 28

_HEADER_POSITIONS: Final = {
    DeltaStatus.KIND: KIND_AT,
    DeltaStatus.BASE: BASE_AT,
    DeltaStatus.PAYLOAD: PAYLOAD_SIZE_AT,
}

_COUNT_SIZE: Final = 2
_ENTRY_SIZE: Final = 4
_MASK_BITS: Final = 64

Judgement = tuple[DeltaStatus, int]
"""A status and where; the position is 0 if all is well."""

FINE: Final[Judgement] = (DeltaStatus.OK, 0)


def change(before: bytes, after: bytes) -> tuple[DeltaKind, bytes]:
    """Exactly the words that differ, in the smallest payload; the lowest kind on a tie."""
    old, new = words_of(before), words_of(after)
    changed = [index for index, (was, is_) in enumerate(zip(old, new, strict=True)) if was != is_]
    candidates = (
        (DeltaKind.SPANS, _spans(changed, new)),
        (DeltaKind.MASK, _mask(changed, new)),
        (DeltaKind.RUNS, _runs(changed, new)),
    )
    return min(candidates, key=lambda candidate: len(candidate[1]))  # the first of equals


def _spans(changed: Sequence[int], new: Sequence[int]) -> bytes:
    spans: list[tuple[int, int]] = []
    for index in changed:
        if spans and sum(spans[-1]) == index:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((index, 1))
    return _table(spans) + bytes_of([new[index] for index in changed])


def _mask(changed: Sequence[int], new: Sequence[int]) -> bytes:
    bits = sum(1 << index for index in changed)
    mask = bits.to_bytes(_mask_size(len(new)), "little")
    return mask + bytes_of([new[index] for index in changed])


def _runs(changed: Sequence[int], new: Sequence[int]) -> bytes:
    runs: list[tuple[int, int]] = []
    for index in changed:
        if runs and sum(runs[-1]) == index and new[index] == new[index - 1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((index, 1))
    return _table(runs) + bytes_of([new[first] for first, _ in runs])


def _table(entries: Sequence[tuple[int, int]]) -> bytes:
    numbers = [number for entry in entries for number in entry]
    data = struct.pack(f"<{1 + len(numbers)}H", len(entries), *numbers)
    return data.ljust(padded(len(data)), b"\x00")


def _mask_size(word_count: int) -> int:
    return 8 * -(-word_count // _MASK_BITS)


def is_canonical_change(before: bytes, after: bytes | None, kind: int, payload: bytes) -> bool:
    """Whether `change` would have written this; `after` is None for a deletion."""
    if after is None:
        return (kind, payload) == (DeltaKind.DELETE, b"")
    return (kind, payload) == change(before, after)


def check_change(word_count: int, kind: int, payload: bytes, base: int) -> Judgement:
    """Whether a body of that many words can take it: kind, base, payload, order, bounds, empty, in this order.

    The position is an index in the payload, and 0 for kind, base and payload, whose fields stand outside it
    (`position_in_record` knows where).
    """
    if kind not in _KINDS:
        return DeltaStatus.KIND, 0
    if base < 0 or (kind == DeltaKind.DELETE and base == 0):
        return DeltaStatus.BASE, 0
    if kind == DeltaKind.DELETE:
        return (DeltaStatus.PAYLOAD, 0) if payload else FINE
    if kind == DeltaKind.MASK:
        return _check_mask(word_count, payload, base)
    return _check_table(word_count, payload, base, filled=kind == DeltaKind.RUNS)


_KINDS: Final = frozenset(DeltaKind)


def _check_mask(word_count: int, payload: bytes, base: int) -> Judgement:
    size = _mask_size(word_count)
    if len(payload) < size:
        return DeltaStatus.PAYLOAD, 0
    bits = int.from_bytes(payload[:size], "little")
    if bits >> word_count:
        return DeltaStatus.BOUNDS, size - 8  # only the last mask word has bits to spare
    if len(payload) != size + 8 * bits.bit_count():
        return DeltaStatus.PAYLOAD, 0
    return _check_empty(bits.bit_count(), base)


def _check_table(word_count: int, payload: bytes, base: int, *, filled: bool) -> Judgement:
    """Spans, or runs if each entry is `filled` with one word."""
    if len(payload) < _COUNT_SIZE:
        return DeltaStatus.PAYLOAD, 0
    count = int.from_bytes(payload[:_COUNT_SIZE], "little")
    table_end = _COUNT_SIZE + _ENTRY_SIZE * count
    words_at = padded(table_end)
    if len(payload) < words_at:
        return DeltaStatus.PAYLOAD, 0
    entries = _entries(payload, count)
    end = -1  # of the entry before; the first may begin at word 0
    for index, (first, size) in enumerate(entries):
        touches = first == end
        is_ordered = first >= end if filled else first > end
        if size == 0 or not is_ordered or (touches and filled and _repeats(payload, words_at + 8 * index)):
            return DeltaStatus.ORDER, _COUNT_SIZE + _ENTRY_SIZE * index
        end = first + size
        if end > word_count:
            return DeltaStatus.BOUNDS, _COUNT_SIZE + _ENTRY_SIZE * index
    stored = count if filled else sum(size for _, size in entries)
    if len(payload) != words_at + 8 * stored or any(payload[table_end:words_at]):
        return DeltaStatus.PAYLOAD, 0
    return _check_empty(count, base)


def _entries(payload: bytes, count: int) -> list[tuple[int, int]]:
    numbers = struct.unpack_from(f"<{2 * count}H", payload, _COUNT_SIZE)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _repeats(payload: bytes, at: int) -> bool:
    """Whether the word at `at` is the one before; words that are not there equal nothing, their lack is found later."""
    return at + 8 <= len(payload) and payload[at : at + 8] == payload[at - 8 : at]


def _check_empty(changed: int, base: int) -> Judgement:
    return (DeltaStatus.EMPTY, 0) if changed == 0 and base > 0 else FINE


def position_in_record(status: DeltaStatus, position: int, payload_at: int) -> int:
    """Where in a stand-alone record something is that `check_change` found."""
    return _HEADER_POSITIONS.get(status, payload_at + position)


def apply_change(body: bytes, kind: int, payload: bytes) -> bytes:
    """The body afterwards. The change has been judged, and it is no deletion."""
    assert kind in (DeltaKind.SPANS, DeltaKind.MASK, DeltaKind.RUNS), "a deletion leaves no body"
    assert check_change(len(body) // 8, kind, payload, 0) == FINE, "changes are judged before they are applied"
    after = bytearray(body)
    if kind == DeltaKind.MASK:
        _apply_mask(after, payload)
        return bytes(after)
    count = int.from_bytes(payload[:_COUNT_SIZE], "little")
    at = padded(_COUNT_SIZE + _ENTRY_SIZE * count)
    for first, size in _entries(payload, count):
        stored = 1 if kind == DeltaKind.RUNS else size
        after[8 * first : 8 * (first + size)] = payload[at : at + 8 * stored] * (size // stored)
        at += 8 * stored
    return bytes(after)


def _apply_mask(after: bytearray, payload: bytes) -> None:
    at = _mask_size(len(after) // 8)
    bits = int.from_bytes(payload[:at], "little")
    while bits:
        index = (bits & -bits).bit_length() - 1
        after[8 * index : 8 * index + 8] = payload[at : at + 8]
        at += 8
        bits &= bits - 1


@dataclass(frozen=True, slots=True)
class Delta:
    """A change of one page, as it stands alone. `base` is the epoch it applies to, 0 for no page."""

    type_id: int
    key: bytes
    base: int
    kind: DeltaKind
    payload: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.type_id <= U64_MAX or not 0 <= self.base <= I64_MAX:
            raise InvalidValue(f"expected a type id and an epoch, found {self.type_id} and {self.base}")
        if len(self.key) % 8 or len(self.key) > 8 * KEY_WORDS_MAX or len(self.payload) % 8:
            found = f"{len(self.key)} and {len(self.payload)} bytes"
            raise InvalidValue(f"expected a key and a payload of whole words, found {found}")

    def pack(self) -> bytes:
        words, size = len(self.key) // 8, len(self.payload)
        header = HEADER.pack(MAGIC, self.kind, 0, words, self.type_id, self.base, size, 0)
        return header + self.key + self.payload


def unpack_delta(record: bytes) -> Delta:
    """Read a record for its parts; whether a page could take it, only mmsb.schemas.delta_validation knows."""
    status, position = check_header(record)
    if status:
        _refuse(status, position)
    _, kind, _, words, type_id, base, _, _ = HEADER.unpack_from(record)
    payload_at = HEADER.size + 8 * words
    payload = record[payload_at:]
    if base < 0:
        _refuse(DeltaStatus.BASE, BASE_AT)
    if len(payload) % 8:
        _refuse(DeltaStatus.PAYLOAD, PAYLOAD_SIZE_AT)
    return Delta(type_id, record[HEADER.size : payload_at], base, DeltaKind(kind), payload)


def _refuse(status: DeltaStatus, position: int) -> NoReturn:
    raise InvalidDelta(f"delta: {status.name.lower()} at byte {position}", status, position)


def check_header(record: bytes) -> Judgement:
    """Statuses 1 to 4: what can be wrong before anything is known about the type."""
    if len(record) < HEADER.size:
        return DeltaStatus.TRUNCATED, len(record)
    magic, kind, zero, words, _, _, size, second_zero = HEADER.unpack_from(record)
    if len(record) != HEADER.size + 8 * words + size:
        return DeltaStatus.TRUNCATED, len(record)
    if magic != MAGIC:
        return DeltaStatus.MAGIC, 0
    if kind not in _KINDS:
        return DeltaStatus.KIND, KIND_AT
    if zero:
        return DeltaStatus.ZERO, ZERO_AT
    if second_zero:
        return DeltaStatus.ZERO, SECOND_ZERO_AT
    return FINE
