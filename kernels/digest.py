"""The state digest: a sum of terms, one for each word of state (docs/formats.md, section 9).

A sum forgets order, so whatever changes a word subtracts its old term and adds the new one, and nobody ever has to read
the whole state. All arithmetic is mod 2^64. Two lanes, because one of 64 bits would meet its double by accident.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.words import words_of

# All of these are part of the formats: another constant is another digest for the same state.
_G: Final = 0x9E37_79B9_7F4A_7C15
_M: Final = 0xD6E8_FEB8_6659_FD93
_L: Final = 0xA24B_AED4_963E_E407
_U64: Final = 2**64 - 1

_PAGE: Final = 1
_ID: Final = 2
_MARK: Final = 3
_SENT: Final = 4
_CLOCK: Final = 5
_INTENTS: Final = 6

NULL_SIZE: Final = _U64
"""What stands for the length of a null value."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Two lanes. Terms, sums of terms and differences of sums are all the same thing."""

    a: int = 0
    b: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        return Digest((self.a + other.a) & _U64, (self.b + other.b) & _U64)

    def __sub__(self, other: "Digest") -> "Digest":
        return Digest((self.a - other.a) & _U64, (self.b - other.b) & _U64)

    def pack(self) -> bytes:
        return struct.pack("<QQ", self.a, self.b)


def fmix(z: int) -> int:
    """Spread every bit of a word over all of it."""
    z = ((z ^ (z >> 32)) * _M) & _U64
    z = ((z ^ (z >> 32)) * _M) & _U64
    return z ^ (z >> 32)


def seed(tag: int, *words: int) -> int:
    """Where the terms of one thing start: `words` say which thing of that tag."""
    start = tag
    for word in words:
        start = fmix(((start + _G) & _U64) ^ (word & _U64))
    return start


def mix(word: int, index: int, start: int) -> tuple[int, int]:
    """Both lanes of the term of one word; signed numbers count as two's complement."""
    x = (start + (index + 1) * _G) & _U64
    a = fmix((word & _U64) ^ x)
    b = ((a ^ ((x << 29) & _U64 | x >> 35)) * _L) & _U64
    return a, b ^ (b >> 31)


def _term(start: int, numbered: Iterable[tuple[int, int]]) -> Digest:
    """The sum of the terms of (index, word) pairs."""
    a = b = 0
    for index, word in numbered:
        lane_a, lane_b = mix(word, index, start)
        a += lane_a
        b += lane_b
    return Digest(a & _U64, b & _U64)


def page_term(type_id: int, key: bytes, epoch: int, body: bytes) -> Digest:
    """What an existing page adds."""
    return _term(seed(_PAGE, type_id, *words_of(key)), enumerate((epoch, *words_of(body))))


def page_change(
    type_id: int,
    key: bytes,
    old_epoch: int,
    old_body: bytes | None,
    new_epoch: int,
    new_body: bytes | None,
) -> Digest:
    """What a page's change adds; None where there is no page. Words that stay as they were are not looked at twice."""
    start = seed(_PAGE, type_id, *words_of(key))
    old = _page_words(old_epoch, old_body)
    new = _page_words(new_epoch, new_body)
    if old_body is None or new_body is None:
        return _term(start, enumerate(new)) - _term(start, enumerate(old))
    assert len(old) == len(new), "a page's body never changes its size"
    changed = [index for index, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
    return _term(start, ((i, new[i]) for i in changed)) - _term(start, ((i, old[i]) for i in changed))


def _page_words(epoch: int, body: bytes | None) -> Sequence[int]:
    return () if body is None else (epoch, *words_of(body))


def id_term(offset: int, id: bytes) -> Digest:
    """What an id adds while it is remembered as first seen at `offset`."""
    return _term(seed(_ID, offset), enumerate(words_of(id)))


def mark_term(kind: int, source: bytes, number: int) -> Digest:
    """What a source adds of which `number` was the last."""
    return _term(seed(_MARK, kind, *words_of(source)), [(0, number)])


def sent_term(target: int, count: int) -> Digest:
    """What a partition adds to which `count` follow-ups were emitted; none at all adds nothing."""
    return _term(seed(_SENT, target), [(0, count)]) if count > 0 else Digest()


def clock_term(clock: int) -> Digest:
    """What the partition clock adds once it runs."""
    return _term(seed(_CLOCK), [(0, clock)]) if clock > 0 else Digest()


def intents_checksum(records: Iterable[tuple[int, int, int, bytes | None]]) -> int:
    """Of (offset, time, flags, value) of some records of the intents log."""
    return sum(_intent_term(*record) for record in records) & _U64


def _intent_term(offset: int, time: int, flags: int, value: bytes | None) -> int:
    size = NULL_SIZE if value is None else len(value)
    content = value or b""
    words = words_of(content + bytes(-len(content) % 8))
    return _term(seed(_INTENTS, offset, size), enumerate((time, flags, *words))).a
