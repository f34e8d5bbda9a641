"""Every page kernel against its plain definition, with guard bytes around whatever it may touch."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels import digest
from mmsb.kernels.jit import kernel
from mmsb.kernels.memory import Int, Word, Words
from mmsb.kernels.mixing import mix, seed_with
from mmsb.kernels.pages import spec
from mmsb.kernels.pages.page_memory import compare_pages, copy_page, zero_page
from tests.kernels.guarded import GUARD, SIZES, guarded, guarded_words, unguarded, unguarded_words

AT = len(GUARD)

sizes = st.sampled_from(SIZES) | st.integers(0, 200)
words = st.integers(0, 2**64 - 1)


def page_of(size: int, seed: int) -> bytes:
    return Random(seed).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_the_spec_says_what_its_words_say(size):
    page, other = page_of(size, 1), page_of(size, 2)
    assert spec.copied(other) == other
    assert spec.zeroed(page) == b"\x00" * size
    assert spec.first_difference(page, page) == spec.EQUAL
    assert spec.first_difference(page, page[:-1] + bytes([page[-1] ^ 1])) == size - 1
    assert spec.merged_densely(page, other, b"\xff" * size) == other
    assert spec.merged_densely(page, other, b"\x00" * size) == page
    assert spec.merged_sparsely(page, [0], [2**64 - 1]) == b"\xff" * min(size, 8) + page[8:]


@given(sizes, st.integers(0, 9))
def test_a_copy_is_the_other_page_and_nothing_beside_it(size, seed):
    source, target = guarded(page_of(size, seed)), guarded(page_of(size, seed + 1))
    copy_page(target, AT, source, AT, size)
    assert unguarded(target) == spec.copied(unguarded(source)) == page_of(size, seed)


@given(sizes, st.integers(0, 9))
def test_zeroing_leaves_what_lies_beside_the_page(size, seed):
    page = guarded(page_of(size, seed))
    zero_page(page, AT, size)
    assert unguarded(page) == spec.zeroed(page_of(size, seed))


@given(sizes, st.lists(st.integers(0, 4096), max_size=3))
def test_comparing_finds_the_first_byte_that_differs(size, flips):
    left = page_of(size, 1)
    right = bytearray(left)
    for flip in flips:
        if size:
            right[flip % size] ^= 0x80
    found = compare_pages(guarded(left), AT, guarded(bytes(right)), AT, size)
    assert found == spec.first_difference(left, bytes(right))


@pytest.mark.parametrize("size", SIZES)
def test_what_differs_beside_the_pages_is_not_seen(size):
    left, right = guarded(bytes(size)), guarded(bytes(size))
    right[:AT] = right[AT + size :] = 0
    assert compare_pages(left, AT, right, AT, size) == spec.EQUAL


@pytest.mark.parametrize("size", SIZES)
def test_every_byte_is_compared(size):
    left, right = guarded(bytes(size)), guarded(bytes(size))
    for index in {0, size // 2, *range(max(size - 70, 0), size)}:
        right[AT + index] = 1
        assert compare_pages(left, AT, right, AT, size) == index
        right[AT + index] = 0


@kernel
def _mix(word: Word, index: Int, start: Word, lanes: Words, at: Int) -> None:
    lanes[at], lanes[at + 1] = mix(word, index, start)


@kernel
def _seed_with(start: Word, word: Word, lanes: Words, at: Int) -> None:
    lanes[at] = seed_with(start, word)


@given(words, st.integers(0, 70_000), words)
def test_the_digest_of_a_word_is_the_defined_one(word, index, start):
    lanes = guarded_words(bytes(16))
    _mix(_u64(word), index, _u64(start), lanes, 8)
    expected = digest.mix(word, index, start)
    assert unguarded_words(lanes) == digest.Digest(*expected).pack()


@given(words, words)
def test_a_seed_is_the_defined_one(start, word):
    lanes = guarded_words(bytes(8))
    _seed_with(_u64(start), _u64(word), lanes, 8)
    assert unguarded_words(lanes) == digest.seed(start, word).to_bytes(8, "little")


def _u64(number: int) -> Word:
    return np.uint64(number)
