"""BLAKE3 of short input, compiled: up to 1024 bytes, which are one chunk, and the first 16 bytes of the digest.

Ids that are text are hashed so (docs/formats.md, section 1), and most take one block of 64 bytes.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.swar import load_bytes
from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import Bytes, Int, Word, Words

SIZE_MAX: Final = 1024
WORK: Final = 24
"""How many words of working memory a hash takes: a block's 16 halves, and the 8 that go from block to block."""

Half = Any  # a u32

_BLOCK: Final = 64
_CHAIN: Final = 16  # where those 8 begin
_START: Final = 1
_END_OF_ROOT: Final = 2 | 8

_LOW: Final = np.uint64(0xFFFF_FFFF)
_U32: Final = np.uint64(32)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint32(0)

_IV: Final = tuple(
    np.uint32(half)
    for half in (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
)
_IV0, _IV1, _IV2, _IV3 = _IV[:4]

_PERMUTATION: Final = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)


def _schedule() -> Any:
    """Which halves of the block each of the seven rounds takes, one round after another."""
    order = list(range(16))
    rounds: list[int] = []
    for _ in range(7):
        rounds += order
        order = [order[index] for index in _PERMUTATION]
    return np.array(rounds, np.uint64)


_SCHEDULE: Final = _schedule()
_CHAIN_START: Final = np.array([int(half) for half in _IV], np.uint64)


@kernel
def blake3_short(buffer: Bytes, at: Int, size: Int, work: Words, to: Int) -> tuple[Word, Word]:
    """The first 16 bytes of the digest of `size` bytes, as two words; `work` is used from word `to` on."""
    for index in range(8):
        work[to + _CHAIN + index] = _CHAIN_START[index]
    done = 0
    flags = _START
    while size - done > _BLOCK:
        _load_block(buffer, at + done, _BLOCK, work, to)
        _compress(work, to, _BLOCK, flags)
        done += _BLOCK
        flags = 0
    _load_block(buffer, at + done, size - done, work, to)
    _compress(work, to, size - done, flags | _END_OF_ROOT)
    chain = to + _CHAIN
    return work[chain] | (work[chain + 1] << _U32), work[chain + 2] | (work[chain + 3] << _U32)


@inner
def _load_block(buffer: Bytes, at: Int, size: Int, work: Words, to: Int) -> None:
    """The halves of up to 64 bytes, and zeros."""
    for index in range(8):
        word = load_bytes(buffer, at + 8 * index, min(max(size - 8 * index, 0), 8))
        work[to + 2 * index] = word & _LOW
        work[to + 2 * index + 1] = word >> _U32


@inner
def _compress(work: Words, to: Int, size: Int, flags: Int) -> None:
    """Mix a block into what goes on to the next one; of the last block's, the digest's start is right."""
    chain = to + _CHAIN
    a0, a1, a2, a3 = _half(work, chain), _half(work, chain + 1), _half(work, chain + 2), _half(work, chain + 3)
    b0, b1, b2, b3 = _half(work, chain + 4), _half(work, chain + 5), _half(work, chain + 6), _half(work, chain + 7)
    c0, c1, c2, c3 = _IV0, _IV1, _IV2, _IV3
    d0, d1, d2, d3 = _ZERO, _ZERO, np.uint32(size), np.uint32(flags)
    base = np.uint64(to)
    for first in range(0, 112, 16):
        turn = np.uint64(first)
        a0, b0, c0, d0 = _mix(a0, b0, c0, d0, work, base, turn)
        a1, b1, c1, d1 = _mix(a1, b1, c1, d1, work, base, turn + np.uint64(2))
        a2, b2, c2, d2 = _mix(a2, b2, c2, d2, work, base, turn + np.uint64(4))
        a3, b3, c3, d3 = _mix(a3, b3, c3, d3, work, base, turn + np.uint64(6))
        a0, b1, c2, d3 = _mix(a0, b1, c2, d3, work, base, turn + np.uint64(8))
        a1, b2, c3, d0 = _mix(a1, b2, c3, d0, work, base, turn + np.uint64(10))
        a2, b3, c0, d1 = _mix(a2, b3, c0, d1, work, base, turn + np.uint64(12))
        a3, b0, c1, d2 = _mix(a3, b0, c1, d2, work, base, turn + np.uint64(14))
    _keep(work, chain, a0 ^ c0, a1 ^ c1, a2 ^ c2, a3 ^ c3)
    _keep(work, chain + 4, b0 ^ d0, b1 ^ d1, b2 ^ d2, b3 ^ d3)


@inlined
def _half(work: Words, at: Int) -> Half:
    return np.uint32(work[at])


@inlined
def _keep(work: Words, at: Int, first: Half, second: Half, third: Half, fourth: Half) -> None:
    work[at] = np.uint64(first)
    work[at + 1] = np.uint64(second)
    work[at + 2] = np.uint64(third)
    work[at + 3] = np.uint64(fourth)


@inlined
def _mix(a: Half, b: Half, c: Half, d: Half, work: Words, base: Word, turn: Word) -> tuple[Half, Half, Half, Half]:
    """BLAKE3's G, with the two halves of the block whose turn it is."""
    a = _plus(_plus(a, b), _half(work, base + _SCHEDULE[turn]))
    d = _turned(d ^ a, np.uint32(16), np.uint32(16))
    c = _plus(c, d)
    b = _turned(b ^ c, np.uint32(12), np.uint32(20))
    a = _plus(_plus(a, b), _half(work, base + _SCHEDULE[turn + _ONE]))
    d = _turned(d ^ a, np.uint32(8), np.uint32(24))
    c = _plus(c, d)
    b = _turned(b ^ c, np.uint32(7), np.uint32(25))
    return a, b, c, d


@inlined
def _plus(left: Half, right: Half) -> Half:
    return np.uint32(left + right)


@inlined
def _turned(half: Half, right: Half, left: Half) -> Half:
    """Rotated to the right; `left` is 32 less that."""
    return np.uint32((half >> right) | (half << left))
