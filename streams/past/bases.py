"""Moments whose pages are kept as they were, so that nobody need follow them from their creation on: checkpoints."""

from typing import Protocol

from mmsb.state.array_fold import ArrayFold
from mmsb.state.pages import PageId
from mmsb.streams.past.outline import Outline


class Base(Protocol):
    """What a partition was right after an intent had settled."""

    @property
    def settled(self) -> int:
        """The intent's offset."""
        ...

    @property
    def next(self) -> int:
        """The first TLog offset that it does not reflect."""
        ...

    def page(self, page: PageId) -> tuple[int, bytes] | None:
        """Epoch and body; the type id is that of the layout at that moment."""
        ...

    def outline(self) -> Outline:
        """How the fold stands there (`Outline.beside`). The caller may go on with it."""
        ...

    def fold(self) -> ArrayFold:
        """The whole state. The caller may go on with it."""
        ...


class Bases(Protocol):
    """Those of one partition, for one thread at a time."""

    def newest_before(self, offset: int) -> Base | None:
        """The newest that has settled no intent above an offset."""
        ...

    def oldest_from(self, tlog: int) -> Base | None:
        """The oldest that reflects all TLog records below an offset: a log that was trimmed there begins with it."""
        ...

    def close(self) -> None: ...


class NoBases:
    """Of a partition that keeps none: its TLog tells all, from the genesis on."""

    def newest_before(self, offset: int) -> Base | None:
        return None

    def oldest_from(self, tlog: int) -> Base | None:
        return None

    def close(self) -> None:
        """There is nothing open."""
