"""What the kernels must do, slowly: the definition for every backend, on the CPU now and on a GPU later.

Plain bytes, lists and dicts; nothing is clever here, and nothing is written in place. A backend is right if it gives
the same answers and leaves every byte beside the page alone. The digest has its own definition, mmsb.kernels.digest,
and what a delta does to a page is mmsb.schemas.deltas.apply_change.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from mmsb.kernels.digest import mix, seed

EQUAL: Final = -1
"""What comparing gives where nothing differs."""

ABSENT: Final = -1
"""What looking gives where nothing is found."""

digest_seed = seed
digest_mix = mix


def copied(source: bytes) -> bytes:
    """The page afterwards is the other page."""
    return bytes(source)


def zeroed(page: bytes) -> bytes:
    return bytes(len(page))


def first_difference(left: bytes, right: bytes) -> int:
    """The first byte in which pages of one size differ; EQUAL if there is none."""
    for index, (one, other) in enumerate(zip(left, right, strict=True)):
        if one != other:
            return index
    return EQUAL


def merged_densely(page: bytes, values: bytes, mask: bytes) -> bytes:
    """Bits whose mask is 1 come from the values, all others stay. All three have one size."""
    triples = zip(page, values, mask, strict=True)
    return bytes((old & ~chosen & 0xFF) | (new & chosen) for old, new, chosen in triples)


def merged_sparsely(page: bytes, places: Sequence[int], words: Sequence[int]) -> bytes:
    """Each word, little-endian, goes to its place, counted in words; the page's end cuts what lies beyond it."""
    after = bytearray(page)
    for place, word in zip(places, words, strict=True):
        for index, byte in enumerate(word.to_bytes(8, "little")):
            if 8 * place + index < len(after):
                after[8 * place + index] = byte
    return bytes(after)


def dense_form(size: int, places: Sequence[int], words: Sequence[int]) -> tuple[bytes, bytes]:
    """Values and mask that say the same as a sparse change of rising places."""
    empty = bytes(size)
    return merged_sparsely(empty, places, words), merged_sparsely(empty, places, [2**64 - 1] * len(places))


class PageIndex:
    """Which slot a key's page is in: a dict. Slots that were freed are used again, the last one first."""

    def __init__(self) -> None:
        self._slots: dict[bytes, int] = {}
        self._free: list[int] = []
        self._used = 0

    def find(self, key: bytes) -> int:
        return self._slots.get(key, ABSENT)

    def create(self, key: bytes) -> int:
        """A slot for a key that has none."""
        assert key not in self._slots
        if self._free:
            slot = self._free.pop()
        else:
            slot, self._used = self._used, self._used + 1
        self._slots[key] = slot
        return slot

    def remove(self, key: bytes) -> None:
        self._free.append(self._slots.pop(key))

    def __len__(self) -> int:
        return len(self._slots)


def settle_ids(window: int, ids: Iterable[tuple[int, bytes]]) -> list[int]:
    """For each offset and id, in rising order: the offset that the id is a duplicate of, or ABSENT.

    An id is a duplicate if it is among those remembered of the last `window` offsets. Only what is no duplicate is
    remembered, so a duplicate does not make its id live longer.
    """
    first: dict[bytes, int] = {}
    found: list[int] = []
    for offset, id in ids:
        first = {known: seen for known, seen in first.items() if seen >= offset - window}
        found.append(first.get(id, ABSENT))
        first.setdefault(id, offset)
    return found
