"""The dedupe window: the ids of the last W offsets, and where each was first seen."""

from collections import deque
from collections.abc import Iterator
from typing import Protocol


class Ids(Protocol):
    """A contract: the ids of the last `size` offsets. What each method does, `IdWindow` says."""

    size: int

    def first_offset(self, id: bytes) -> int | None: ...

    def remember(self, id: bytes, offset: int) -> None: ...

    def forget_last(self) -> None: ...

    def forget_to(self, offset: int) -> list[tuple[int, bytes]]: ...

    def recall(self, forgotten: list[tuple[int, bytes]]) -> None: ...

    def __iter__(self) -> Iterator[tuple[int, bytes]]: ...

    def __len__(self) -> int: ...


class IdWindow:
    """Ids in the order in which they were first seen. Ids repeated inside the window are not entered again."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._first: dict[bytes, int] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def first_offset(self, id: bytes) -> int | None:
        return self._first.get(id)

    def remember(self, id: bytes, offset: int) -> None:
        assert id not in self._first, "a remembered id settles as a duplicate"
        assert not self._order or self._order[-1][0] < offset, "offsets rise"
        self._first[id] = offset
        self._order.append((offset, id))

    def forget_last(self) -> None:
        """Undo the last `remember`."""
        _, id = self._order.pop()
        del self._first[id]

    def forget_to(self, offset: int) -> list[tuple[int, bytes]]:
        """Forget ids first seen at or before an offset; gives them, oldest first."""
        forgotten: list[tuple[int, bytes]] = []
        while self._order and self._order[0][0] <= offset:
            forgotten.append(self._order.popleft())
            del self._first[forgotten[-1][1]]
        return forgotten

    def recall(self, forgotten: list[tuple[int, bytes]]) -> None:
        """Undo a `forget_to`."""
        self._order.extendleft(reversed(forgotten))
        self._first.update((id, offset) for offset, id in forgotten)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)
