"""What the scanner of JSON intents knows of a bundle: one array of words, which mmsb.processors.json_tables fills.

A row for each member that an object may have, for each type of intent. Beside what is known, the array holds what the
scanner expects (which member follows which) and remembers of the record at hand, so each machine needs one of its own.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.swar import ZERO, load_bytes, load_word
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words

# The head: where it begins, what was met last and what the record at hand holds. Texts and ids take two words each.
GUESS: Final = np.uint64(0)  # the type of the record before
STAMP: Final = np.uint64(1)  # a number of its own for each time that a record is read
TYPES: Final = np.uint64(2)  # the dictionary of types
ROOM: Final = np.uint64(3)  # how many bytes an intent may take at most
ID: Final = np.uint64(4)
SOURCE: Final = np.uint64(6)
NUMBER: Final = np.uint64(8)
ACTOR: Final = np.uint64(10)  # texts are where they begin, and their size
REASON: Final = np.uint64(12)
CORRELATION: Final = np.uint64(14)
CAUSATION: Final = np.uint64(16)
TRACE: Final = np.uint64(18)
VERSION: Final = np.uint64(20)
GUESSES: Final = np.uint64(21)  # sixteen types, by what their names begin with
WORK: Final = np.uint64(37)  # for hashes
HEAD_WORDS: Final = 64

# A type of intents: these, and a row for each member, @type first.
TYPE_ID: Final = np.uint64(0)
ARGUMENT_WORDS: Final = np.uint64(1)
NEEDED_COUNT: Final = np.uint64(2)
DEFAULTS: Final = np.uint64(3)
NAMES: Final = np.uint64(4)  # the dictionary of members
NAME_ROW: Final = np.uint64(16)  # the type's own name; what comes next to it is an object's first member
TYPE_ROW: Final = np.uint64(32)  # of @type
MEMBERS_AT: Final = 32

# A row. A pattern is a name in quotes and, of a member, the colon behind it.
FIRST: Final = np.uint64(0)  # its first eight bytes, or what there is of them
LAST: Final = np.uint64(1)  # its last eight bytes, or the same again
MASK: Final = np.uint64(2)  # which of these count
LAST_AT: Final = np.uint64(3)  # where in the pattern the last ones begin
PATTERN_SIZE: Final = np.uint64(4)
PATTERN_AT: Final = np.uint64(5)  # where in the array it stands
NEXT: Final = np.uint64(6)  # the row of the member that came next the last time
SEEN: Final = np.uint64(7)  # the stamp of when it was there the last time
KIND: Final = np.uint64(8)
OFFSET: Final = np.uint64(9)  # of a field in the arguments; where in the head a member of the envelope goes
SIZE: Final = np.uint64(10)  # of a field, or of an array's element
HIGH: Final = np.uint64(11)  # the highest integer, or the longest text
LOW: Final = np.uint64(12)  # the lowest integer, without its sign, or the shortest text
COUNT: Final = np.uint64(13)  # of an array's elements; where the dictionary of an enum is
NEEDED: Final = np.uint64(14)  # 1 if nothing can be put in its place
PART: Final = np.uint64(15)  # the bit of a member of the envelope
ROW_WORDS: Final = 16

# Kinds of members.
INTEGER: Final = 0
TEXT: Final = 1
NOTE: Final = 2  # a text of the metadata
IDENTITY: Final = 3
TYPE: Final = 4
POSITIVE: Final = 5  # an integer of the envelope
BOOLEAN: Final = 6
FLOAT: Final = 7
ENUMERATION: Final = 8
BLOB: Final = 9
INTEGERS: Final = 10
FLOATS: Final = 11

# Bits of members of the envelope.
HAS_ID: Final = 1
HAS_SOURCE: Final = 2
HAS_NUMBER: Final = 4
HAS_ACTOR: Final = 8
HAS_REASON: Final = 16
HAS_CORRELATION: Final = 32
HAS_CAUSATION: Final = 64
HAS_TRACE: Final = 128
HAS_METADATA: Final = HAS_ACTOR | HAS_REASON | HAS_CORRELATION | HAS_CAUSATION | HAS_TRACE

# A dictionary: one word less than its slots, a power of two; then the slots.
ENTRY_SIZE: Final = np.uint64(0)  # of the name, and one more; 0: there is none
ENTRY_FIRST: Final = np.uint64(1)
ENTRY_LAST: Final = np.uint64(2)
ENTRY_AT: Final = np.uint64(3)  # where in the array the name stands
ENTRY_VALUE: Final = np.uint64(4)
ENTRY_WORDS: Final = 8

NOT_FOUND: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)

_ONE: Final = np.uint64(1)
_ENTRY: Final = np.uint64(ENTRY_WORDS)
_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_TOP: Final = np.uint64(32)
_GUESS_SHIFT: Final = np.uint64(60)


def slot_of(first: int, last: int, size: int) -> int:
    """The number of a name's slot, from what `find` knows of it; as many low bits of it as a dictionary has."""
    return ((first ^ (last << 1) ^ size) * int(_SPREAD) >> 32) & 0xFFFF_FFFF


@inlined
def matches(buffer: Bytes, at: Int, words: Words, row: Word) -> Any:
    """Whether the pattern of a row stands at `at`."""
    mask = words[row + MASK]
    wrong = (load_word(buffer, at) ^ words[row + FIRST]) & mask
    wrong |= (load_word(buffer, at + np.int64(words[row + LAST_AT])) ^ words[row + LAST]) & mask
    return wrong == ZERO and (
        words[row + LAST_AT] <= np.uint64(8)
        or _same(buffer, at, words, words[row + PATTERN_AT], np.int64(words[row + LAST_AT]))
    )


@inner
def _same(buffer: Bytes, at: Int, words: Words, begin: Word, size: Int) -> Any:
    """Whether the same bytes stand in two places, and so do up to seven behind them."""
    index = 0
    while index < size and load_word(buffer, at + index) == words[begin]:
        index += 8
        begin += _ONE
    return index >= size


@inner
def find(buffer: Bytes, at: Int, size: Int, words: Words, names: Word) -> Word:
    """What a dictionary says of `size` bytes, or NOT_FOUND."""
    first = load_bytes(buffer, at, min(size, 8))
    last = load_word(buffer, at + size - 8) if size > 8 else first
    known = words[names]
    slot = (((first ^ (last << _ONE) ^ np.uint64(size)) * _SPREAD) >> _TOP) & known
    while True:
        entry = names + _ONE + slot * _ENTRY
        if words[entry + ENTRY_SIZE] == ZERO:
            return NOT_FOUND
        if (
            words[entry + ENTRY_SIZE] == np.uint64(size + 1)
            and words[entry + ENTRY_FIRST] == first
            and words[entry + ENTRY_LAST] == last
            and (size <= 16 or _same(buffer, at, words, words[entry + ENTRY_AT], size - 8))
        ):
            return words[entry + ENTRY_VALUE]
        slot = (slot + _ONE) & known


@inlined
def guess_at(word: Word) -> Word:
    """Where in the head the type is remembered whose name goes on with these eight bytes."""
    return GUESSES + ((word * _SPREAD) >> _GUESS_SHIFT)
