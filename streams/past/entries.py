"""What the TLog says of one intent offset, for people who read logs."""

from dataclasses import dataclass

from mmsb.schemas.events import EventKind
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Rejection
from mmsb.schemas.sources import Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import FollowUpRow
from mmsb.state.pages import PageId


@dataclass(frozen=True, slots=True)
class PageChange:
    """That a page was created, changed or deleted, and its epoch before."""

    page: PageId
    kind: EventKind
    before: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one intent. `first_offset` is set for duplicates, `rejection` for rejected ones."""

    partition: int
    offset: int
    status: Status
    intent_type: int | None
    id: bytes | None
    source: Source | None
    metadata: Metadata
    time: int  # the partition clock, microseconds UTC
    first_offset: int | None
    rejection: Rejection | None
    pages: tuple[PageChange, ...]
    follow_ups: tuple[FollowUpRow, ...]
    tlog: int  # the TLog offset of the block that says so
    generation: int  # whose code decided it
    bundle: bytes
