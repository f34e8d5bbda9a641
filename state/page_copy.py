"""All pages of one type at one moment, copied out of their arena: for whoever reads them while the machine goes on."""

from typing import Any

import numpy as np

from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.types import Integer
from mmsb.state.array_pages import ArrayPageType


class PageCopy:
    """Pages in the order of their keys: numbers as numbers, texts and bytes as bytes, component after component."""

    def __init__(self, layout: PageLayout, pages: ArrayPageType) -> None:
        """All of them are in memory."""
        self._split = 1 + pages.key_words
        self._slots: Any = _slots_of(pages)
        self._layout = layout
        self._sorted = False

    def __len__(self) -> int:
        return len(self._slots)

    def pages(self, start: int, stop: int) -> list[tuple[bytes, int, bytes]]:
        """Key, epoch and body of some of them."""
        self._sort()
        rows, split = self._slots[start:stop], self._split
        return [(row[1:split].tobytes(), int(row[0]), row[split:].tobytes()) for row in rows]

    def _sort(self) -> None:
        """Once, and by whoever reads first: copying is what the machine waits for."""
        if not self._sorted:
            self._slots = self._slots[np.lexsort(self._sort_keys()[::-1])]
            self._sorted = True

    def _sort_keys(self) -> list[Any]:
        columns: list[Any] = []
        for kind, (start, end) in zip(self._layout.key, self._layout.key_slots, strict=True):
            words = self._slots[:, 1 + start // 8 : 1 + end // 8]
            if isinstance(kind, Integer):
                columns.append(words[:, 0].view(np.int64) if kind.signed else words[:, 0])
            else:
                columns += list(words.byteswap().T)
        return columns


def _slots_of(pages: ArrayPageType) -> Any:
    slots = pages.arena[: pages.used * pages.stride].reshape(-1, pages.stride)
    return slots[slots[:, 0] != 0]
