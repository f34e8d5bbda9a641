"""Copy, zero and compare pages: any number of bytes, anywhere in an array of bytes, by words and then by bytes.

mmsb.kernels.pages.spec says what each must do. Callers see to it that both stretches lie inside of their arrays and
that a copy's do not overlap.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Int, copy_bytes, load_u64, store_u64

EQUAL: Final = -1  # what comparing gives where nothing differs

_BLOCK: Final = 64  # bytes compared before anybody asks whether they differ, so that vectors can do it
_ZERO: Final = np.uint64(0)


@kernel
def copy_page(target: Bytes, to: Int, source: Bytes, at: Int, size: Int) -> None:
    """Make a page the same as another."""
    copy_bytes(target, to, source, at, size)


@kernel
def zero_page(target: Bytes, at: Int, size: Int) -> None:
    """Make every byte of a page zero."""
    whole = size - size % 8
    for index in range(0, whole, 8):
        store_u64(target, at + index, _ZERO)
    for index in range(whole, size):
        target[at + index] = 0


@kernel
def compare_pages(left: Bytes, at: Int, right: Bytes, other_at: Int, size: Int) -> Int:
    """The first byte of the page in which two pages differ; EQUAL if there is none."""
    index = 0
    while index + _BLOCK <= size and _are_equal(left, at + index, right, other_at + index):
        index += _BLOCK
    while index + 8 <= size and load_u64(left, at + index) == load_u64(right, other_at + index):
        index += 8
    while index < size and left[at + index] == right[other_at + index]:
        index += 1
    return index if index < size else EQUAL


@inlined
def _are_equal(left: Bytes, at: Int, right: Bytes, other_at: Int) -> bool:
    """Whether two blocks are the same."""
    differences = _ZERO
    for index in range(0, _BLOCK, 8):
        differences |= load_u64(left, at + index) ^ load_u64(right, other_at + index)
    return bool(differences == _ZERO)
