"""The digest's terms of many pages at once, in NumPy: mmsb.kernels.digest.page_term says them for one."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.digest import Digest
from mmsb.kernels.memory import Words
from mmsb.kernels.mixing import PAGE, G, L, M
from mmsb.schemas.types import U64_MAX

_HALF: Final = np.uint64(32)


def add_terms(type_id: int, rows: Words, key_words: int) -> Digest:
    """The sum over slots, each a row of epoch, key and body; those that are free add nothing."""
    rows = rows[rows[:, 0] != 0]
    start = _seed_with(np.full(len(rows), PAGE), np.uint64(type_id))
    for word in range(1, 1 + key_words):
        start = _seed_with(start, rows[:, word])
    a = b = 0
    for index, word in enumerate((0, *range(1 + key_words, rows.shape[1])), 1):
        x = start + np.uint64(index * int(G) & U64_MAX)
        lane = _fmix(rows[:, word] ^ x)
        a += int(lane.sum())
        lane = (lane ^ ((x << np.uint64(29)) | (x >> np.uint64(35)))) * L
        b += int((lane ^ (lane >> np.uint64(31))).sum())
    return Digest() + Digest(a, b)


def _seed_with(start: Any, word: Any) -> Any:
    return _fmix((start + G) ^ word)


def _fmix(z: Any) -> Any:
    z = (z ^ (z >> _HALF)) * M
    z = (z ^ (z >> _HALF)) * M
    return z ^ (z >> _HALF)
