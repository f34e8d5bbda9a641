"""Merges and deltas, applied: against mmsb.kernels.pages.spec and mmsb.schemas.deltas, guards around."""

import platform
import re
from random import Random
from typing import Any, cast

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.jit import CHECKED, COMPILED
from mmsb.kernels.pages import merge, spec
from mmsb.schemas import deltas
from tests.kernels.guarded import GUARD, SIZES, guarded, guarded_words, unguarded, unguarded_words

AT = len(GUARD)
DENSITIES = (0.1, 0.5, 1, 2, 5, 10, 20, 27, 28, 29, 35, 50, 100)  # in percent
NEVER = 1_000_000  # no page has so many percent of changed words

sizes = st.sampled_from(SIZES) | st.integers(1, 200)


def change_of(size: int, density: float, rng: Random) -> tuple[list[int], list[int]]:
    """Rising places and their words, for so many percent of a page, but for one at least."""
    slots = -(-size // 8)
    places = sorted(rng.sample(range(slots), max(1, round(slots * density / 100))))
    return places, [rng.getrandbits(64) for _ in places]


def i64(numbers):
    return np.array(numbers, np.int64)


def u64(numbers):
    return np.array(numbers, np.uint64)


@given(sizes, st.randoms(use_true_random=False))
def test_a_dense_merge_takes_the_masked_bits_and_no_others(size, rng):
    page, values, mask = (rng.randbytes(size) for _ in range(3))
    target = guarded(page)
    merge.merge_dense(target, AT, size, guarded(values), guarded(mask), AT)
    assert unguarded(target) == spec.merged_densely(page, values, mask)


@given(sizes, st.floats(0, 100), st.randoms(use_true_random=False))
def test_a_sparse_merge_puts_words_in_their_places(size, density, rng):
    page = rng.randbytes(size)
    places, words = change_of(size, density, rng)
    target = guarded(page)
    merge.merge_sparse(target, AT, size, i64([-99, *places]), u64([99, *words]), 1, len(places))
    assert unguarded(target) == spec.merged_sparsely(page, places, words)


def test_a_sparse_merge_of_no_words_changes_nothing():
    page = guarded(bytes(16))
    merge.merge_sparse(page, AT, 16, i64([]), u64([]), 0, 0)
    assert unguarded(page) == bytes(16)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
def test_both_ways_give_the_same_page_at_every_density(size, density):
    rng = Random(f"{size} {density}")
    changes = [change_of(size, density, rng) for _ in range(3)]
    pages = [rng.randbytes(size) for _ in range(4)]
    which = [2, 0, 1, 2]
    expected = b"".join(spec.merged_sparsely(page, *changes[c]) for page, c in zip(pages, which, strict=True))
    dense = [spec.dense_form(size, *change) for change in changes]
    assert expected == b"".join(spec.merged_densely(page, *dense[c]) for page, c in zip(pages, which, strict=True))

    places, words = ([number for change in changes for number in change[part]] for part in (0, 1))
    bounds = np.cumsum([0, *(len(change[0]) for change in changes)])
    values, mask = (np.frombuffer(b"".join(form[part] for form in dense), np.uint8) for part in (0, 1))
    starts = i64([AT + size * index for index in range(len(pages))])
    for dense_from in (0, merge.DENSE_FROM, NEVER):
        target = guarded(b"".join(pages))
        merge.merge_pages(target, starts, size, i64(which), bounds, i64(places), u64(words), values, mask, dense_from)
        assert unguarded(target) == expected


@pytest.mark.parametrize("size", [64, 800, 4096])
def test_the_dispatcher_takes_the_way_that_its_threshold_says(size):
    """The two forms say different things here, so that the page tells which was taken."""
    slots = size // 8
    for count in range(1, slots + 1):
        page = guarded(bytes(size))
        values, mask = np.full(size, 7, np.uint8), np.full(size, 255, np.uint8)
        places, words = np.arange(count), u64([1] * count)
        one = i64([0])
        merge.merge_pages(page, one + AT, size, one, i64([0, count]), places, words, values, mask, merge.DENSE_FROM)
        is_dense = 100 * count >= merge.DENSE_FROM * slots
        assert unguarded(page)[0] == (7 if is_dense else 1)


@st.composite
def changed_bodies(draw):
    """A body before and after, in which words change alone, in spans and in runs of one word."""
    count = draw(st.sampled_from([1, 2, 63, 64, 65, 128, 512]) | st.integers(1, 140))
    rng = draw(st.randoms(use_true_random=False))
    share, sameness = draw(st.sampled_from([0.01, 0.1, 0.5, 0.9, 1.0])), draw(st.sampled_from([0.0, 0.5, 1.0]))
    before = rng.randbytes(8 * count)
    after = bytearray(before)
    for index in range(count):
        if rng.random() < share:
            after[8 * index : 8 * index + 8] = b"\x07" * 8 if rng.random() < sameness else rng.randbytes(8)
    return before, bytes(after)


def applied(before: bytes, kind: int, payload: bytes) -> bytes:
    words = guarded_words(before)
    merge.apply_payload(words, 8, len(before) // 8, guarded(payload), AT, kind)
    return unguarded_words(words)


@given(changed_bodies())
def test_a_payload_gives_the_body_that_it_was_made_from(bodies):
    before, after = bodies
    kind, payload = deltas.change(before, after)
    assert applied(before, int(kind), payload) == after == deltas.apply_change(before, kind, payload)


@given(changed_bodies())
def test_every_kind_of_payload_is_applied_whatever_is_smallest(bodies):
    before, after = bodies
    old, new = (list(map(int, np.frombuffer(body, np.uint64))) for body in (before, after))
    changed = [index for index in range(len(new)) if old[index] != new[index]]
    for kind, made in ((0, deltas._spans), (1, deltas._mask), (2, deltas._runs)):
        payload = made(changed, new)
        assert deltas.check_change(len(new), kind, payload, 0) == deltas.FINE
        assert applied(before, kind, payload) == after


def test_an_empty_change_leaves_a_body_as_it_is():
    assert applied(bytes(range(64)), 0, bytes(8)) == bytes(range(64))


def test_a_payload_may_end_where_its_array_ends():
    before, after = bytes(24), bytes(16) + b"\x01" * 8
    for kind in (0, 1, 2):
        payload = (deltas._spans, deltas._mask, deltas._runs)[kind]([2], [0, 0, 0x0101010101010101])
        words = guarded_words(before)
        merge.apply_payload(words, 8, 3, np.frombuffer(payload, np.uint8), 0, kind)
        assert unguarded_words(words) == after


VECTOR_REGISTERS = {"x86_64": r"%[yz]mm\d", "amd64": r"%[yz]mm\d", "arm64": r"\b[vq]\d", "aarch64": r"\b[vq]\d"}


@pytest.mark.skipif(not COMPILED, reason="NUMBA_DISABLE_JIT=1: there is no machine code to look at")
@pytest.mark.skipif(COMPILED and CHECKED, reason="NUMBA_BOUNDSCHECK=1: words are checked byte by byte, not vectorised")
@pytest.mark.skipif(platform.machine().lower() not in VECTOR_REGISTERS, reason="registers of this machine unknown")
def test_the_dense_merge_is_done_in_vector_registers():
    plain = cast("Any", merge.merge_dense).py_func
    fresh = cast("Any", numba).njit(nogil=True, error_model="numpy", _nrt=False)(plain)
    page = guarded(bytes(4096))
    fresh(page, AT, 4096, guarded(b"\x01" * 4096), guarded(b"\xff" * 4096), AT)
    assert unguarded(page) == b"\x01" * 4096
    assembly = "\n".join(fresh.inspect_asm().values())
    body = re.sub(r"^\s*[.#;].*$", "", assembly, flags=re.MULTILINE)
    assert re.search(VECTOR_REGISTERS[platform.machine().lower()], body)
