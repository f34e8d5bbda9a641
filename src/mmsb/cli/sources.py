"""Who answers: the owner of the folder if there is one, else the folder itself."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mmsb.cli.owner import owner_of
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.partitions import partition_of
from mmsb.state.pages import PageId
from mmsb.streams.door import StoredPage
from mmsb.streams.past.changes import Change, History


class Source(Protocol):
    @property
    def partition_count(self) -> int: ...

    @property
    def descriptor(self) -> Descriptor: ...

    def get(self, partition: int, pages: list[PageId], at: int | None = None) -> list[tuple[int, bytes] | None]: ...

    def scan(self, partition: int, type_id: int, at: int | None = None) -> Iterator[StoredPage]: ...

    def history(self, partition: int, page: PageId, limit: int) -> History[Change]: ...

    def blame(self, partition: int, page: PageId, field: int | None, byte: int | None) -> Change | None: ...

    def close(self) -> None: ...


@contextmanager
def source_of(data: str) -> Generator[Source]:
    """Settled state only, either way."""
    folder = Path(data)
    source: Source = owner_of(folder) or _stored(folder)
    try:
        yield source
    finally:
        source.close()


def _stored(folder: Path) -> Source:
    from mmsb.cli.stored import Stored  # loads NumPy, which the owner's answers do without

    return Stored(folder)


def partition_for(source: Source, layout: PageLayout, key: bytes) -> int:
    return partition_of(layout.partition_parts(key), source.partition_count)
