"""The terms of the digest, compiled (docs/formats.md, section 9); mmsb.kernels.digest says the same slowly."""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined
from mmsb.kernels.memory import Word

G: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
M: Final = np.uint64(0xD6E8_FEB8_6659_FD93)
L: Final = np.uint64(0xA24B_AED4_963E_E407)

PAGE: Final = np.uint64(1)
ID: Final = np.uint64(2)
MARK: Final = np.uint64(3)
SENT: Final = np.uint64(4)
CLOCK: Final = np.uint64(5)
INTENTS: Final = np.uint64(6)

_U29: Final = np.uint64(29)
_U31: Final = np.uint64(31)
_U32: Final = np.uint64(32)
_U35: Final = np.uint64(35)


@inlined
def fmix(z: Word) -> Word:
    """Spread every bit of a word over all of it."""
    z = (z ^ (z >> _U32)) * M
    z = (z ^ (z >> _U32)) * M
    return z ^ (z >> _U32)


@inlined
def seed_with(start: Word, word: Word) -> Word:
    """The seed that says one word more; the first start is the tag."""
    return fmix((start + G) ^ word)


@inlined
def lane_a(word: Word, index: int, start: Word) -> Word:
    """The first lane of the term of one word."""
    return fmix(word ^ (start + np.uint64(index + 1) * G))


@inlined
def mix(word: Word, index: int, start: Word) -> tuple[Word, Word]:
    """Both lanes of the term of one word."""
    x = start + np.uint64(index + 1) * G
    a = fmix(word ^ x)
    b = (a ^ ((x << _U29) | (x >> _U35))) * L
    return a, b ^ (b >> _U31)
