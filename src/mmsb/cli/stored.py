"""A data folder that nobody runs, or not through a socket: read as far as its mark says, and never written."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from mmsb.state.home.restoring import read_meta
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.bases import CheckpointBases
from mmsb.streams.door import StoredPage
from mmsb.streams.files import Files
from mmsb.streams.folder import HOME, INTENTS, MARK, TLOG, TOPIC, Progress
from mmsb.streams.log import Durable, MarkReader
from mmsb.streams.log.segments import list_bases, log_path
from mmsb.streams.past import forward
from mmsb.streams.past.changes import Change, History
from mmsb.streams.past.entries import Entry
from mmsb.streams.past.folding import fold_partition, list_partitions, read_mark
from mmsb.streams.past.moments import SCAN_PAGES
from mmsb.streams.past.outline import Outline
from mmsb.streams.past.past import Past
from mmsb.streams.reading import sent
from mmsb.streams.stats import PartitionStats
from mmsb.streams.world import RealWorld


class Stored:
    """All partitions of a folder, as of the moment of asking. Close it in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._world = RealWorld()
        self.files: Files = self._world.files
        self._folders = list_partitions(self.files, folder)
        self.is_mirror = self.files.exists(next(iter(self._folders.values())) / TOPIC)
        self._open = ExitStack()
        self._pasts: dict[int, Past] = {}

    def close(self) -> None:
        self._open.close()

    @property
    def partition_count(self) -> int:
        return self.outline.genesis.partition_count

    @property
    def partitions(self) -> list[int]:
        """All; of a worker's folder those that are in it, for the others are with other workers."""
        return list(self._folders) if self.is_mirror else list(range(self.partition_count))

    @property
    def descriptor(self) -> Descriptor:
        """Of the code that ran last."""
        if not self.outline.reigns:
            raise EnvironmentFailed(f"{self.folder}: nothing has run here yet; start it with `mmsb run`")
        return self.outline.reigns[-1].claim.descriptor

    @cached_property
    def outline(self) -> Outline:
        return self.past(min(self._folders)).outline

    def past(self, partition: int) -> Past:
        if partition not in self._pasts:
            past = Past(self.files, self.folder_of(partition), self._upto(partition), self.bases(partition))
            self._open.callback(past.close)
            self._pasts[partition] = past
        return self._pasts[partition]

    def get(self, partition: int, pages: list[PageId], at: int | None = None) -> list[tuple[int, bytes] | None]:
        """From what happened to each: there is no need to fold all the others."""
        past = self.past(partition)
        return past.get_many(pages, past.outline.settled if at is None else at)

    def scan(self, partition: int, type_id: int, at: int | None = None) -> Iterator[StoredPage]:
        """All pages of a type, as of a moment, which is replayed."""
        past = self.past(partition)
        moment = past.moment(type_id, past.outline.settled if at is None else at)
        pages = None if moment is None else moment.pages(past.bases)
        for start in range(0, 0 if pages is None else len(pages), SCAN_PAGES):
            assert pages is not None, "there are some"
            yield from pages.pages(start, start + SCAN_PAGES)

    def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        return forward.history(self.past(partition), page, limit)

    def blame(self, partition: int, page: PageId, field: int | None, byte: int | None) -> Change | None:
        return forward.blame(self.past(partition), page, field, byte)

    def entries(self, partition: int, first: int, last: int) -> Iterator[Entry]:
        return self.past(partition).entries(first, last)

    def fold(self, partition: int, tell: Progress) -> ArrayFold:
        """Its state, from the newest checkpoint on."""
        return fold_partition(self.files, self.folder_of(partition), tell, None, self.bases(partition), short=True)

    def bases(self, partition: int) -> CheckpointBases:
        """For one thread."""
        return CheckpointBases(self._world, self.folder_of(partition))

    def partition_stats(self, partition: int, tell: Progress) -> dict[str, Any]:
        """What a running partition would say of itself, as far as the folder knows it."""
        durable = self.durable(partition)
        fold = self.fold(partition, tell)
        state = cast(ArrayState, fold.state)
        known = state.array_pages.types
        return {
            **dict.fromkeys(field.name for field in fields(PartitionStats)),
            "partition": partition,
            "logged": durable.intents - 1,
            "settled": fold.settled,
            "tlog": fold.next - 1,
            "reign": fold.reign.hex(),
            "digest": fold.digest.pack().hex(),
            "clock": state.clock,
            "pages": {
                layout.name: len(known[layout.type_id]) if layout.type_id in known else 0
                for layout in state.layouts.values()
            },
            "intents_bytes": sum(size for _, size in self.segments(partition, INTENTS)),
            "tlog_bytes": sum(size for _, size in self.segments(partition, TLOG)),
            "flushed": self._flushed(partition),
            "emitted": sent(state),
            "lag": durable.intents - 1 - fold.settled,
        }

    def _flushed(self, partition: int) -> int | None:
        """The last intent in its home; none if the home cannot be read, of which `mmsb verify` says why."""
        home = self.folder_of(partition) / HOME
        if not self.files.exists(home):
            return -1
        try:
            rows = self._world.open_checkpoint(home)
            try:
                meta = read_meta(rows)
            finally:
                rows.close()
        except CorruptState:
            return None
        return -1 if meta is None else meta.standing.settled

    def durable(self, partition: int) -> Durable:
        """Up to where both logs may be read now."""
        return read_mark(self.files, self.folder_of(partition))

    def segments(self, partition: int, log: str) -> list[tuple[str, int]]:
        """The files of a log, with their sizes."""
        folder = self.folder_of(partition) / log
        paths = [log_path(folder, base) for base in list_bases(self.files, folder)]
        return [(path.name, path.stat().st_size) for path in paths]

    def folder_of(self, partition: int) -> Path:
        if partition not in self._folders:
            found = f"expected partition {partition} in it, found {', '.join(map(str, self._folders))}"
            elsewhere = "ask the topics, kafka://HOST:PORT/APP, or the worker that has it"
            advice = elsewhere if self.is_mirror else "restore its folder from a good copy"
            raise EnvironmentFailed(f"{self.folder}: {found}; {advice}")
        return self._folders[partition]

    def _upto(self, partition: int) -> Callable[[], int]:
        folder = self.folder_of(partition)
        mark = MarkReader(self.files, folder / MARK)
        self._open.callback(mark.close)
        if not mark.read().tlog:
            raise EnvironmentFailed(f"{folder}: nothing durable is in it yet; start it with `mmsb run`")
        if not list_bases(self.files, folder / TLOG):
            raise EnvironmentFailed(
                f"{folder}: nothing has run here since a checkpoint was brought here; start it with `mmsb run`"
            )
        return lambda: mark.read().tlog
