"""One change of one page, as the TLog tells it: what came of it, who asked, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from mmsb.schemas.events import EventKind
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.sources import Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """`epoch` and `body` are the page's after it (0 and empty for a deletion), `before` is the epoch before it."""

    kind: EventKind
    partition: int
    offset: int
    ordinal: int
    page_type: int
    key: bytes
    epoch: int
    before: int
    time: int  # the partition clock, microseconds UTC
    intent_type: int | None
    id: bytes | None
    source: Source | None
    metadata: Metadata
    mask: bytes  # of the fields that changed, as in an Event
    body: bytes
    tlog: int  # the TLog offset of the block that says so
    generation: int  # whose code decided it
    bundle: bytes


class History(list[T]):
    """Changes of a page, the newest first. Where the log has lost its begin, and older changes of the page may have
    been there, `trimmed` is the intent offset before which that is."""

    def __init__(self, changes: Iterable[T], trimmed: int | None = None) -> None:
        super().__init__(changes)
        self.trimmed = trimmed
