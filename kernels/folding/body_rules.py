"""What keys and bodies of a page type may contain, compiled: a layout's rules as one flat array of words.

mmsb.state.rules makes the array; PageLayout.key_problem and PageLayout.stored_problem say the same slowly. Whatever a
body had before a change was right then, so only what changed is looked at; but enums, whose members a claim may change.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.folding.unfolding import STRETCH_W
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words
from mmsb.kernels.values import is_padded_text

# The words of rules before their tables.
KEY_WORDS: Final = 0
BODY_WORDS: Final = 1
TYPE_ID: Final = 2
KEYS: Final = 3  # where the rows begin that say what the components of a key may be
KEYS_N: Final = 4
TEXTS: Final = 5
TEXTS_N: Final = 6
ENUMS: Final = 7
ENUMS_N: Final = 8
ALWAYS: Final = 9  # flags that every change has
FLAGS: Final = (
    16  # from here, for each word of a body, what may be wrong with it; then, for each, bits that must be zero
)

HAS_ZEROS: Final = 1
IS_FLOAT: Final = 2
HAS_TEXT: Final = 4
HAS_ENUMS: Final = 8  # somewhere

KEY_W: Final = 4  # kind; place in words; lowest and highest, or size in bytes
TEXT_W: Final = 2  # place and size in bytes
ENUM_W: Final = 3  # place in bytes; where its members are, rising, and how many

SIGNED: Final = 0  # kinds of key components
UNSIGNED: Final = 1
BLOB: Final = 2
TEXT: Final = 3

_ZERO: Final = np.uint64(0)
_WORDWISE: Final = np.uint64(HAS_ZEROS | IS_FLOAT)
_FLOAT: Final = np.uint64(IS_FLOAT)
_TEXT: Final = np.uint64(HAS_TEXT)
_U16: Final = np.uint64(0xFFFF)
_NOT_FINITE: Final = np.uint64(0x7FF0_0000_0000_0000)


@inlined
def rule(rules: Words, at: Int) -> Int:
    return np.int64(rules[at])


@inner
def is_key(words: Words, value8: Bytes, at: Int, rules: Words) -> bool:
    """Whether the key at word `at` is one that some value packs to."""
    row = rule(rules, KEYS)
    for _ in range(rule(rules, KEYS_N)):
        kind, place = rule(rules, row), at + rule(rules, row + 1)
        low, high = rules[row + 2], rules[row + 3]
        if kind == SIGNED:
            if not np.int64(low) <= np.int64(words[place]) <= np.int64(high):
                return False
        elif kind == UNSIGNED:
            if words[place] > high:
                return False
        elif not _is_padded(value8, 8 * place, np.int64(low), kind == TEXT):
            return False
        row += KEY_W
    return True


@inlined
def _is_padded(value8: Bytes, at: Int, size: Int, is_text: bool) -> bool:
    """Whether a blob or text of `size` bytes is followed by zeros to the next multiple of 8."""
    for index in range(at + size, at + (size + 7 >> 3 << 3)):
        if value8[index] != 0:
            return False
    return not is_text or is_padded_text(value8, at, size)


@inner
def is_body_wrong(
    arena: Words, arena8: Bytes, body: Int, rules: Words, stretches: Any, count: Int, flags: Word
) -> bool:
    """Whether stretches of a body, whose words have these flags, or any enum of it hold what no field can hold."""
    if flags & _WORDWISE != _ZERO and _has_wrong_words(arena, body, rules, stretches, count):
        return True
    if flags & _TEXT != _ZERO and _has_wrong_texts(arena8, body, rules, stretches, count):
        return True
    row = rule(rules, ENUMS)
    for _ in range(rule(rules, ENUMS_N)):
        place = rule(rules, row)
        number = (arena[body + (place >> 3)] >> np.uint64(8 * (place & 7))) & _U16
        if not _is_member(rules, rule(rules, row + 1), rule(rules, row + 2), number):
            return True
        row += ENUM_W
    return False


@inlined
def _has_wrong_words(arena: Words, body: Int, rules: Words, stretches: Any, count: Int) -> bool:
    """Padding that is not zero, bools above 1, floats that are not finite."""
    zeros = FLAGS + rule(rules, BODY_WORDS)
    for stretch in range(0, STRETCH_W * count, STRETCH_W):
        first = stretches[stretch]
        for word in range(first, first + stretches[stretch + 1]):
            content = arena[body + word]
            if content & rules[zeros + word] != _ZERO:
                return True
            if rules[FLAGS + word] & _FLOAT != _ZERO and content & _NOT_FINITE == _NOT_FINITE:
                return True
    return False


@inlined
def _has_wrong_texts(arena8: Bytes, body: Int, rules: Words, stretches: Any, count: Int) -> bool:
    """Whether a text is none, of those between the first changed word and the last."""
    low = 8 * stretches[0]
    high = 8 * (stretches[STRETCH_W * count - 2] + stretches[STRETCH_W * count - 1])
    row = rule(rules, TEXTS)
    for _ in range(rule(rules, TEXTS_N)):
        place, size = rule(rules, row), rule(rules, row + 1)
        if place < high and place + size > low and not is_padded_text(arena8, 8 * body + place, size):
            return True
        row += TEXT_W
    return False


@inlined
def _is_member(rules: Words, at: Int, count: Int, number: Word) -> bool:
    """Whether a number is among `count` that rise."""
    while count > 1:
        half = count >> 1
        if rules[at + half] <= number:
            at += half
        count -= half
    return bool(rules[at] == number)
