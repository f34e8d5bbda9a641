"""Which keys a file has none of, told without looking: a filter that RocksDB reads (docs/formats.md, section 19).

Of the two forms that it has, this is the older, whose hash is a few lines for keys of any length. Up to some millions
of keys in one file it errs as rarely as the newer.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Int, Word, load_u32

Places = Any  # an i64 array
Hashes = Any  # a u64 array

LINE: Final = 64  # bytes: all bits of a key are in one such
BITS: Final = 10  # for each key: one look-up in a hundred reads a file in vain
PROBES: Final = 6  # bits that are set for each key

_LINE_BITS: Final = np.uint64(8 * LINE - 1)
_LOW32: Final = np.uint64(0xFFFF_FFFF)
_SEED: Final = np.uint64(0xBC9F_1D34)
_TIMES: Final = np.uint64(0xC6A4_A793)
_NEGATIVE: Final = 128


@kernel
def hash_keys(keys: Bytes, key_starts: Places, hashes: Hashes) -> None:
    for row in range(key_starts.shape[0] - 1):
        hashes[row] = _hash(keys, key_starts[row], key_starts[row + 1])


@inlined
def _hash(keys: Bytes, start: Int, stop: Int) -> Word:
    found = _SEED ^ ((np.uint64(stop - start) * _TIMES) & _LOW32)
    at = start
    while at + 4 <= stop:
        found = ((found + load_u32(keys, at)) * _TIMES) & _LOW32
        found ^= found >> np.uint64(16)
        at += 4
    if at < stop:
        for byte in range(stop - at):
            found += np.uint64((_signed(keys[at + byte]) << (8 * byte)) & 0xFFFF_FFFF)
        found = (found * _TIMES) & _LOW32
        found ^= found >> np.uint64(24)
    return found


@inlined
def _signed(byte: Any) -> Int:
    """RocksDB takes the last bytes of a key for numbers with a sign."""
    return np.int64(byte) - (256 if byte >= _NEGATIVE else 0)


@kernel
def set_bits(hashes: Hashes, bits: Bytes, lines: Int) -> None:
    """Set the bits of each key in so many lines."""
    for row in range(hashes.shape[0]):
        found = hashes[row]
        line = LINE * np.int64(found % np.uint64(lines))
        step = ((found >> np.uint64(17)) | (found << np.uint64(15))) & _LOW32
        for _ in range(PROBES):
            bit = np.int64(found & _LINE_BITS)
            bits[line + (bit >> 3)] |= np.uint8(1 << (bit & 7))
            found = (found + step) & _LOW32
