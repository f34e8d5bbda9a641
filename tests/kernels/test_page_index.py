"""Looking up pages by key, against a dict: made, removed, made again, in tables that wrap around and that grow."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels import digest
from mmsb.kernels.pages import spec
from mmsb.kernels.tables import page_index
from mmsb.state.array_pages import ArrayPageType, words_in
from tests.kernels.guarded import WORD_GUARD

SALT = 0x1234_5678_9ABC_DEF0
PLACES = 8
BODY_WORDS = 2
GUARDS = len(WORD_GUARD)


def guarded_zeros(count):
    """All of it, with its guards, and what lies between them."""
    whole = np.concatenate((WORD_GUARD, np.zeros(count, np.uint64), WORD_GUARD))
    return whole, whole[GUARDS:-GUARDS]


class Table:
    """An index as small as can be, so that entries collide and wrap around, and its arena."""

    def __init__(self, key_words: int, places: int = PLACES) -> None:
        self.key_words, self.stride = key_words, 1 + key_words + BODY_WORDS
        self.whole_arena, self.arena = guarded_zeros(places * self.stride)
        self.use(places)

    def use(self, places: int) -> None:
        self.whole_index, self.index = guarded_zeros(page_index.TABLE + places)
        self.index[page_index.SALT] = SALT
        self.index[page_index.SHIFT] = 32 - (places.bit_length() - 1)

    def grow(self) -> None:
        old = self.index
        self.use(2 * (len(old) - page_index.TABLE))
        self.index[: page_index.SHIFT] = old[: page_index.SHIFT]
        page_index.rehash(old, self.index)

    def find(self, key: bytes) -> int:
        return int(page_index.find_page(self.index, self.arena, self.stride, words_in(key), self.key_words))

    def create(self, key: bytes) -> int:
        slot = int(page_index.create_page(self.index, self.arena, self.stride, words_in(key), self.key_words))
        self.arena[slot * self.stride] = 1
        return slot

    def remove(self, key: bytes) -> None:
        page_index.remove_page(self.index, self.arena, self.stride, self.key_words, self.find(key))

    def check_guards(self) -> None:
        for whole in (self.whole_arena, self.whole_index):
            assert whole[:GUARDS].tobytes() == whole[-GUARDS:].tobytes() == WORD_GUARD.tobytes()


def home(key: bytes) -> int:
    """Where a key belongs in a table of 8 places: the upper 3 bits of its hash, which is a seed of the digest."""
    return digest.seed(SALT, *map(int, words_in(key))) >> 61


def keys_at(place: int, count: int) -> list[bytes]:
    """Keys of one word that all belong in one place."""
    every = (number.to_bytes(8, "little") for number in range(10_000))
    return [key for key in every if home(key) == place][:count]


@given(st.integers(1, 3), st.randoms(use_true_random=False))
def test_any_order_of_making_and_removing_finds_what_a_dict_finds(key_words, rng):
    table, expected = Table(key_words), spec.PageIndex()
    keys = [rng.randbytes(8 * key_words) for _ in range(10)]
    for _ in range(60):
        key = rng.choice(keys)
        if expected.find(key) != spec.ABSENT:
            expected.remove(key)
            table.remove(key)
        elif len(expected) < PLACES - 1:
            assert table.create(key) == expected.create(key)
        assert [table.find(other) for other in keys] == [expected.find(other) for other in keys]
        assert int(table.index[page_index.COUNT]) == len(expected)
    table.check_guards()


@pytest.mark.parametrize("place", [0, 3, 6, 7])
@pytest.mark.parametrize("gone", range(6))
def test_entries_that_wrap_around_the_end_are_found_after_one_is_removed(place, gone):
    table, expected = Table(1), spec.PageIndex()
    keys = [*keys_at(place, 4), *keys_at((place + 1) % PLACES, 2)]
    for key in keys:
        assert table.create(key) == expected.create(key)
    table.remove(keys[gone])
    expected.remove(keys[gone])
    assert [table.find(key) for key in keys] == [expected.find(key) for key in keys]
    assert table.create(keys[gone]) == expected.create(keys[gone])
    assert [table.find(key) for key in keys] == [expected.find(key) for key in keys]
    table.check_guards()


def test_keys_that_share_all_but_one_word_are_told_apart():
    table = Table(3)
    keys = [bytes(8 * at) + b"\x01" * 8 + bytes(16 - 8 * at) for at in range(3)]
    slots = [table.create(key) for key in keys]
    assert [table.find(key) for key in keys] == slots == [0, 1, 2]
    assert table.find(bytes(24)) == spec.ABSENT


@given(st.sets(st.binary(min_size=16, max_size=16), min_size=1, max_size=7))
def test_a_larger_table_finds_the_same_pages(some):
    table, expected = Table(2), spec.PageIndex()
    keys = sorted(some)
    for key in keys:
        table.create(key)
        expected.create(key)
    table.remove(keys[0])
    expected.remove(keys[0])
    table.grow()
    assert [table.find(key) for key in keys] == [expected.find(key) for key in keys]
    assert table.create(keys[0]) == expected.create(keys[0])
    table.grow()
    assert [table.find(key) for key in keys] == [expected.find(key) for key in keys]
    table.check_guards()


def test_a_page_type_grows_and_shrinks_and_keeps_every_page():
    rng = Random(4)
    pages, expected = ArrayPageType(1, 1, np.uint64(SALT)), spec.PageIndex()
    keys = [number.to_bytes(8, "big") for number in range(3000)]
    for key in keys:
        pages.put(key, 1, key)
        expected.create(key)
    for key in rng.sample(keys, 1000):
        pages.delete(key)
        expected.remove(key)
    for key in keys[500:700]:
        if expected.find(key) == spec.ABSENT:
            pages.put(key, 2, key)
            expected.create(key)
    assert [pages.find(key) for key in keys] == [expected.find(key) for key in keys]
    assert {key for key, _, body in pages if key == body} == {key for key in keys if expected.find(key) >= 0}
