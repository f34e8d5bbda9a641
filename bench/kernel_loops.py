"""Kernels over many pages at once, so that the call from Python is not what is measured."""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Int, Words
from mmsb.kernels.pages.merge import Places, apply_payload, prefetch_payload
from mmsb.kernels.tables import page_index

_ZERO: Final = np.uint64(0)
_AHEAD: Final = 8  # changes whose words are brought near meanwhile


@kernel
def apply_all(words: Words, starts: Places, word_count: Int, payloads: Words, ats: Places, kind: Int) -> None:
    """Payload `i`, of those there are in turn, to the page at `starts[i]`."""
    for index in range(starts.shape[0]):
        ahead = index + _AHEAD
        if ahead < starts.shape[0]:
            prefetch_payload(words, starts[ahead], word_count, payloads, ats[ahead % ats.shape[0]], kind)
        apply_payload(words, starts[index], word_count, payloads, ats[index % ats.shape[0]], kind)


@inlined
def _allocate(index: Words, arena: Words, stride: Int, keys: Words, at: Int) -> Int:
    hashed = page_index.hash_key(keys, at, 1, index[page_index.SALT])
    slot = page_index.create(index, arena, stride, keys, at, 1, hashed)
    base = slot * stride
    arena[base] = np.uint64(1)  # its epoch
    for word in range(base + 2, base + stride):
        arena[word] = _ZERO
    return slot


@kernel
def allocate(index: Words, arena: Words, stride: Int, keys: Words, at: Int) -> Int:
    """A slot for the page whose key is word `at`, found by it from now on; its body is zeros."""
    return _allocate(index, arena, stride, keys, at)


@kernel
def allocate_all(index: Words, arena: Words, stride: Int, keys: Words) -> None:
    for at in range(keys.shape[0]):
        _allocate(index, arena, stride, keys, at)
