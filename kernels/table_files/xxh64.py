"""XXH64 with seed 0: the checksum of blocks that RocksDB knows and that needs nothing but multiplications."""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import Bytes, Int, Word, load_u32, load_u64

_P1: Final = np.uint64(0x9E37_79B1_85EB_CA87)
_P2: Final = np.uint64(0xC2B2_AE3D_27D4_EB4F)
_P3: Final = np.uint64(0x1656_67B1_9E37_79F9)
_P4: Final = np.uint64(0x85EB_CA77_C2B2_AE63)
_P5: Final = np.uint64(0x27D4_EB2F_1656_67C5)
_FIRST: Final = np.uint64(0x60EA_27EE_ADC0_B5D6)  # P1 + P2
_LAST: Final = np.uint64(0x61C8_864E_7A14_3579)  # -P1
_ZERO: Final = np.uint64(0)
_STRIPE: Final = 32


@inlined
def _turned(word: Word, bits: Int) -> Word:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@inlined
def _round(lane: Word, word: Word) -> Word:
    return _turned(lane + word * _P2, 31) * _P1


@inlined
def _merged(total: Word, lane: Word) -> Word:
    return (total ^ _round(_ZERO, lane)) * _P1 + _P4


@inner
def xxh64(data: Bytes, start: Int, stop: Int) -> Word:
    """Of the bytes from `start` up to `stop`."""
    at = start
    if stop - start >= _STRIPE:
        a, b, c, d = _FIRST, _P2, _ZERO, _LAST
        while at + _STRIPE <= stop:
            a = _round(a, load_u64(data, at))
            b = _round(b, load_u64(data, at + 8))
            c = _round(c, load_u64(data, at + 16))
            d = _round(d, load_u64(data, at + 24))
            at += _STRIPE
        total = _turned(a, 1) + _turned(b, 7) + _turned(c, 12) + _turned(d, 18)
        total = _merged(_merged(_merged(_merged(total, a), b), c), d)
    else:
        total = _P5
    return _ended(total + np.uint64(stop - start), data, at, stop)


@inlined
def _ended(total: Word, data: Bytes, at: Int, stop: Int) -> Word:
    while at + 8 <= stop:
        total = _turned(total ^ _round(_ZERO, load_u64(data, at)), 27) * _P1 + _P4
        at += 8
    if at + 4 <= stop:
        total = _turned(total ^ (load_u32(data, at) * _P1), 23) * _P2 + _P3
        at += 4
    while at < stop:
        total = _turned(total ^ (np.uint64(data[at]) * _P5), 11) * _P1
        at += 1
    total = (total ^ (total >> np.uint64(33))) * _P2
    total = (total ^ (total >> np.uint64(29))) * _P3
    return total ^ (total >> np.uint64(32))


@kernel
def hash_bytes(data: Bytes) -> Word:
    """XXH64 of all bytes of an array."""
    return xxh64(data, 0, data.shape[0])
