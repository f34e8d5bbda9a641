"""In what the outcomes of two blocks differ, offset by offset, without an object for each.

What belongs to one offset is mixed into one word, as the state's digest is. Two offsets that differ and have the same
word are as likely as a guessed digest. Not compared is what only counts what came before: on which epoch a change was
made, and the number of a follow-up.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.digest import seed
from mmsb.schemas.envelopes import HEADER
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.statuses import Status
from mmsb.streams.past.columns import BlockColumns, Words
from mmsb.streams.past.outcomes import FOLLOW_UPS, OutcomeColumns

_TAG: Final = 9  # of the seed of a page type here
_G: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_M: Final = np.uint64(0xD6E8_FEB8_6659_FD93)
_U32: Final = np.uint64(32)
_NUMBER: Final = (HEADER.size + ID_BYTES) // 8  # the word of a follow-up that is its number

assert HEADER.size % 8 == 0


class What(enum.IntFlag):
    """In what an offset differs."""

    STATUS = 1
    REASON = 2
    CHANGES = 4
    FOLLOW_UPS = 8

    @property
    def names(self) -> list[str]:
        return [each.name.lower() for each in What if each & self and each.name]


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """A word for each offset in each respect."""

    columns: tuple[Words, ...]

    @classmethod
    def of(cls, blocks: Sequence[tuple[BlockColumns, OutcomeColumns]]) -> "Signature":
        each = [_columns(*block) for block in blocks]
        return cls(each[0] if len(each) == 1 else tuple(np.concatenate(parts) for parts in zip(*each, strict=True)))

    def compare(self, other: "Signature") -> NDArray[np.uint8]:
        """What of each offset differs, as bits."""
        found = np.zeros(len(self.columns[0]), np.uint8)
        for what, mine, others in zip(What, self.columns, other.columns, strict=True):
            found |= (mine != others).astype(np.uint8) * np.uint8(what)
        return found


def _columns(block: BlockColumns, outcomes: OutcomeColumns) -> tuple[Words, ...]:
    statuses = outcomes.statuses
    return statuses.astype(np.uint64), _reasons(block, statuses), _changes(block), _follow_ups(block)


def _fmix(words: Any) -> Words:
    words = (words ^ (words >> _U32)) * _M
    words = (words ^ (words >> _U32)) * _M
    found: Words = words ^ (words >> _U32)
    return found


def _sums(words: Words, ends: Any) -> Words:
    """The sums between one end and the next, the first beginning at 0."""
    totals: Words = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words, out=totals[1:])
    found: Words = totals[ends]
    found[1:] -= totals[ends[:-1]]
    return found


def _mix(words: Words, sizes: Any) -> Words:
    """One word for each run of words, by their values and places in it."""
    ends = np.cumsum(sizes)
    place = np.arange(len(words)) - np.repeat(ends - sizes, sizes)
    return _sums(_fmix(words + (place + 1).astype(np.uint64) * _G), ends)


def _by_offset(words: Words, indices: Any, count: int) -> Words:
    """The sum of what belongs to each offset; rows are in the order of offsets."""
    if not len(words):
        return np.zeros(count, np.uint64)
    return _sums(words, np.searchsorted(indices, np.arange(count), side="right"))


def _reasons(block: BlockColumns, statuses: Any) -> Words:
    """Of rejections their rows, of duplicates the first offset."""
    found: Words = np.zeros(block.count, np.uint64)
    for section, size, status in (
        (block.rejections, ROW_BYTES // 8, Status.REJECTED), (block.duplicates, 1, Status.DUPLICATE),
    ):  # fmt: skip
        words: Words = np.frombuffer(block.value, "<u8", size * section.count, section.at)
        found[statuses == status] = _mix(words, np.full(section.count, size))
    return found


def _changes(block: BlockColumns) -> Words:
    deltas = block.deltas
    sizes = (deltas["key"].astype(np.int64) + deltas["size"]) >> 3
    total = int(sizes.sum())
    content: Words = np.frombuffer(block.value, "<u8", total, block.intents.at - 8 * total)
    mixed = _mix(content, sizes) + _fmix(_heads(block))
    return _by_offset(_fmix(mixed), deltas["index"], block.count)


def _heads(block: BlockColumns) -> Words:
    """The page type of each delta, its kind, whether it creates the page, and how long its key is."""
    deltas = block.deltas
    numbers = deltas["type"]
    types: Words = np.zeros(int(numbers.max(initial=0)) + 1, np.uint64)
    for number in np.flatnonzero(np.bincount(numbers)).tolist():
        types[number] = seed(_TAG, block.type_id(number))
    shape = (deltas["kind"].astype(np.uint64) << _U32) + deltas["key"] * np.uint64(2) + (deltas["base"] == 0)
    found: Words = types[numbers] + shape * _G
    return found


def _follow_ups(block: BlockColumns) -> Words:
    rows: Any = np.frombuffer(block.value, FOLLOW_UPS, block.follow_ups.count, block.follow_ups.at)
    sizes = rows["size"].astype(np.int64) >> 3
    words: Words = np.frombuffer(block.value, "<u8", int(sizes.sum()), block.intents.at).copy()
    words[np.cumsum(sizes) - sizes + _NUMBER] = 0
    mixed = _mix(words, sizes) + rows["target"].astype(np.uint64) * _G
    return _by_offset(_fmix(mixed), rows["index"], block.count)
