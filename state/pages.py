"""Where pages are kept: a contract, and the plain dictionary that fulfils it in memory."""

from collections.abc import Iterator
from typing import Protocol

PageId = tuple[int, bytes]
"""A page's type id and its key's bytes."""


class PageTable(Protocol):
    """Pages by type and key. It knows nothing of digests or logs."""

    def get(self, page: PageId) -> tuple[int, bytes] | None:
        """The epoch and body; None if there is no such page."""
        ...

    def put(self, page: PageId, epoch: int, body: bytes) -> None: ...

    def delete(self, page: PageId) -> None: ...

    def __iter__(self) -> Iterator[tuple[PageId, int, bytes]]: ...

    def __len__(self) -> int: ...


class MemoryPages:
    """Pages in a dictionary."""

    def __init__(self) -> None:
        self._pages: dict[PageId, tuple[int, bytes]] = {}

    def get(self, page: PageId) -> tuple[int, bytes] | None:
        return self._pages.get(page)

    def put(self, page: PageId, epoch: int, body: bytes) -> None:
        self._pages[page] = epoch, body

    def delete(self, page: PageId) -> None:
        del self._pages[page]

    def __iter__(self) -> Iterator[tuple[PageId, int, bytes]]:
        return ((page, epoch, body) for page, (epoch, body) in self._pages.items())

    def __len__(self) -> int:
        return len(self._pages)
