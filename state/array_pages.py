"""The pages of a partition in flat arrays: for each type an arena of slots, and the index of their keys.

What an arena has is given back or extended in place, never copied, so that it takes no more memory than its pages do.
"""

import mmap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.tables import page_index
from mmsb.schemas.layouts import PageLayout
from mmsb.state.buckets import Buckets
from mmsb.state.pages import PageId

SLOTS_FIRST: Final = 1 << 10  # how many pages of a type there is room for at first
PLACES_FIRST: Final = 2 * SLOTS_FIRST

_NOTHING: Words = np.empty(0, np.uint64)


def words_in(data: bytes) -> Words:
    return np.frombuffer(data, np.uint64)


def hash_key(key: bytes, salt: Any) -> Words:
    """The hash of a key, alone in an array."""
    return np.array([page_index.hash_one(words_in(key), len(key) // 8, salt)], np.uint64)


class ArrayPageType:
    """The pages of one type: an arena of slots and the index of their keys (mmsb.kernels.tables.page_index).

    Some buckets of them may be elsewhere; whoever looks for a page sees to it that its bucket is here.
    """

    def __init__(self, key_words: int, body_words: int, salt: Any) -> None:
        self.key_words = key_words
        self.body_words = body_words
        self.stride = 1 + key_words + body_words
        self.buckets = Buckets()
        self._memory = mmap.mmap(-1, 8 * SLOTS_FIRST * self.stride, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._ask_for_huge_pages()
        self.arena: Words = np.frombuffer(self._memory, np.uint64)
        self.index = _new_index(PLACES_FIRST, salt)

    def __len__(self) -> int:
        """How many pages there are, wherever they are."""
        return self.resident + self.buckets.elsewhere

    @property
    def resident(self) -> int:
        """How many pages are in memory."""
        return int(self.index[page_index.COUNT])

    @property
    def salt(self) -> Any:
        """What keys are hashed with."""
        return self.index[page_index.SALT]

    @property
    def memory_bytes(self) -> int:
        """What arena and index take."""
        return 8 * self.used * self.stride + int(self.index.nbytes)

    @property
    def used(self) -> int:
        """How many slots have ever been taken; epoch 0 is one that is free again."""
        return int(self.index[page_index.USED])

    def reserve(self, more: int) -> None:
        """Provide room for so many further pages."""
        slots = self.used + more
        if slots * self.stride > len(self.arena):
            self._resize(max(slots, 2 * len(self.arena) // self.stride))
        places = len(self.index) - page_index.TABLE
        while 2 * (self.resident + more) > places:
            places *= 2
        if places > len(self.index) - page_index.TABLE:
            larger = _new_index(places, self.salt)
            larger[: page_index.SHIFT] = self.index[: page_index.SHIFT]
            page_index.rehash(self.index, larger)
            self.index = larger

    def _resize(self, slots: int) -> None:
        """Memory moves in the page tables alone; nobody may hold a view of it."""
        self.arena = _NOTHING
        try:
            self._memory.resize(8 * slots * self.stride)
            self._ask_for_huge_pages()
        finally:
            self.arena = np.frombuffer(self._memory, np.uint64)

    def _ask_for_huge_pages(self) -> None:
        """Pages are found all over the arena, and with small ones each costs a walk through the page tables as well."""
        with suppress(OSError):  # a kernel that was built without them
            self._memory.madvise(mmap.MADV_HUGEPAGE)

    def give_back(self) -> None:
        """If no page is in memory, no memory is needed."""
        if not self.resident and self.used:
            self._resize(SLOTS_FIRST)
            self.arena[:] = 0
            self.index = _new_index(PLACES_FIRST, self.salt)

    def copy(self) -> "ArrayPageType":
        """What is in memory, and what is known of the rest."""
        twin = ArrayPageType(self.key_words, self.body_words, self.salt)
        twin.reserve(self.used)
        twin.arena[: self.used * self.stride] = self.arena[: self.used * self.stride]
        twin.index = self.index.copy()
        twin.buckets = self.buckets.copy()
        return twin

    def find(self, key: bytes) -> int:
        """The slot of a page; -1 if there is none."""
        found = int(page_index.find_page(self.index, self.arena, self.stride, words_in(key), self.key_words))
        assert found >= 0 or self._is_here(key), "a page is looked for when its bucket is in memory"
        return found

    def _is_here(self, key: bytes) -> bool:
        return self.buckets.holds(hash_key(key, self.salt))

    def slot(self, number: int) -> Words:
        return self.arena[number * self.stride : (number + 1) * self.stride]

    def put(self, key: bytes, epoch: int, body: bytes) -> None:
        number = self.find(key)
        if number < 0:
            self.reserve(1)
            created = page_index.create_page(self.index, self.arena, self.stride, words_in(key), self.key_words)
            number = int(created)
        slot = self.slot(number)
        slot[0] = epoch
        slot[1 + self.key_words :] = words_in(body)

    def delete(self, key: bytes) -> None:
        page_index.remove_page(self.index, self.arena, self.stride, self.key_words, self.find(key))

    def read(self, number: int) -> tuple[bytes, int, bytes]:
        """Key, epoch and body."""
        slot = self.slot(number)
        split = 1 + self.key_words
        return slot[1:split].tobytes(), int(slot[0]), slot[split:].tobytes()

    def __iter__(self) -> Iterator[tuple[bytes, int, bytes]]:
        for number in range(self.used):
            if self.arena[number * self.stride] != 0:
                yield self.read(number)


def _new_index(places: int, salt: Any) -> Words:
    index: Words = np.zeros(page_index.TABLE + places, np.uint64)
    index[page_index.SALT] = salt
    index[page_index.SHIFT] = 32 - (places.bit_length() - 1)
    return index


class ArrayPages:
    """All pages; fulfils mmsb.state.pages.PageTable."""

    def __init__(self, salt: Any) -> None:
        self.salt = salt
        self.types: dict[int, ArrayPageType] = {}

    def type_of(self, type_id: int, key_size: int, body_size: int) -> ArrayPageType:
        if type_id not in self.types:
            self.types[type_id] = ArrayPageType(key_size // 8, body_size // 8, self.salt)
        return self.types[type_id]

    def of(self, layout: PageLayout) -> ArrayPageType:
        return self.type_of(layout.type_id, layout.key_size, layout.size)

    def get(self, page: PageId) -> tuple[int, bytes] | None:
        type_id, key = page
        pages = self.types.get(type_id)
        number = -1 if pages is None or len(key) != 8 * pages.key_words else pages.find(key)
        if pages is None or number < 0:
            return None
        _, epoch, body = pages.read(number)
        return epoch, body

    def hash_of(self, page: PageId) -> Words:
        """That of its key, alone in an array."""
        return hash_key(page[1], self.salt)

    def put(self, page: PageId, epoch: int, body: bytes) -> None:
        self.type_of(page[0], len(page[1]), len(body)).put(page[1], epoch, body)

    def delete(self, page: PageId) -> None:
        self.types[page[0]].delete(page[1])

    def __iter__(self) -> Iterator[tuple[PageId, int, bytes]]:
        for type_id, pages in self.types.items():
            for key, epoch, body in pages:
                yield (type_id, key), epoch, body

    def __len__(self) -> int:
        return sum(map(len, self.types.values()))
