"""Checkpoints as moments to begin from, for whoever asks about the past (mmsb.streams.past.bases)."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.state.arrays import ArrayState
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Meta
from mmsb.state.home.restoring import RestoredFold, read_meta, restore, restore_pages
from mmsb.state.pages import PageId
from mmsb.state.store import Snapshot
from mmsb.streams.checkpoints.folder import CHECKPOINTS, ROWS
from mmsb.streams.checkpoints.listing import list_checkpoints, verified
from mmsb.streams.checkpoints.manifest import Manifest, name_of
from mmsb.streams.past.bases import Base
from mmsb.streams.past.outline import Outline
from mmsb.streams.world import World

OPEN_MAX: Final = 4
"""Checkpoints that are kept open: questions about one moment are often followed by others about it."""

PAGES_BYTES: Final = 8 << 20  # of pages of a checkpoint that are kept in memory


class CheckpointBases:
    """Those of one partition. One that does not open is passed over; a damaged row says so when it is read."""

    def __init__(self, world: World, partition: Path) -> None:
        self._world = world
        self._partition = partition
        self._open: OrderedDict[str, CheckpointBase] = OrderedDict()

    def newest_before(self, offset: int) -> Base | None:
        return self._first(each for each in self._manifests() if each.facts.settled <= offset)

    def oldest_from(self, tlog: int) -> Base | None:
        return self._first(each for each in reversed(self._manifests()) if each.facts.next >= tlog)

    def _first(self, manifests: Iterator[Manifest]) -> Base | None:
        """The first that can be opened: what a damaged one knows, another or the log knows as well."""
        for manifest in manifests:
            with suppress(CorruptState):
                return self._base(manifest)
        return None

    def named(self, name: str) -> "CheckpointBase":
        """The one that a list shows under a name."""
        for manifest in self._manifests():
            if name_of(manifest.facts) == name:
                return self._base(manifest)
        raise InvalidValue(f"{self._partition}: expected a checkpoint {name}, found none of that name")

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def _manifests(self) -> list[Manifest]:
        """Newest first."""
        return verified(list_checkpoints(self._world.files, self._partition))

    def _base(self, manifest: Manifest) -> "CheckpointBase":
        name = name_of(manifest.facts)
        if name not in self._open:
            while len(self._open) >= OPEN_MAX:
                self._open.popitem(last=False)[1].close()
            self._open[name] = self._opened(manifest, self._partition / CHECKPOINTS / name / ROWS)
        self._open.move_to_end(name)
        return self._open[name]

    def _opened(self, manifest: Manifest, folder: Path) -> "CheckpointBase":
        rows = self._world.open_checkpoint(folder)
        try:
            return CheckpointBase(manifest, rows)
        except BaseException:
            rows.close()
            raise


class CheckpointBase:
    """A partition as it was when a checkpoint was made of it."""

    def __init__(self, manifest: Manifest, rows: Snapshot) -> None:
        self._manifest = manifest
        self._rows = rows
        self._meta = _meta_of(manifest, rows)
        self._home: Home | None = None

    @property
    def settled(self) -> int:
        return self._manifest.facts.settled

    @property
    def next(self) -> int:
        return self._manifest.facts.next

    def page(self, page: PageId) -> tuple[int, bytes] | None:
        if self._home is None:
            self._home = restore_pages(self._rows, self._meta, PAGES_BYTES)
        self._home.bring_pages([page])
        return self._home.state.pages.get(page)

    def outline(self) -> Outline:
        state = restore_pages(self._rows, self._meta, 0).state
        return Outline.beside(RestoredFold.resumed(state, self._meta.standing))

    def fold(self) -> RestoredFold:
        fold, home = restore(self._rows, self._meta, 0)
        assert isinstance(fold.state, ArrayState), "a restored fold has one"
        for type_id in fold.state.array_pages.types:
            home.bring_type(type_id)
        return fold

    def close(self) -> None:
        self._rows.close()


def _meta_of(manifest: Manifest, rows: Snapshot) -> Meta:
    """RocksDB takes a manifest of its own that is cut short for an older one, so rows may be of an earlier moment."""
    meta, facts = read_meta(rows), manifest.facts
    found = None if meta is None else meta.standing
    if meta is None or found is None or (found.head, found.settled) != (facts.head, facts.settled):
        raise CorruptState(
            f"checkpoint {name_of(facts)}: expected rows up to intent {facts.settled}, found "
            f"{'none' if found is None else f'those up to {found.settled}'}; use another checkpoint"
        )
    return meta
