"""One partition's state, and every way in which it may change.

The machine and the fold both change it through these methods and nothing else, so they cannot differ. Each method keeps
the digest. Between `begin` and `commit` changes can be taken back with `rollback`.
"""

from collections.abc import Callable, MutableMapping

from mmsb.kernels.digest import Digest, clock_term, id_term, mark_term, page_change, page_term, sent_term
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.sources import Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.pages import MemoryPages, PageTable
from mmsb.state.window import Ids, IdWindow


class PartitionState:
    """Pages, remembered ids, marks of sources, counts of follow-ups, the clock, and the digest of it all."""

    def __init__(
        self,
        genesis: Genesis,
        pages: PageTable | None = None,
        ids: Ids | None = None,
        marks: MutableMapping[tuple[int, bytes], int] | None = None,
        sent: MutableMapping[int, int] | None = None,
    ) -> None:
        """Plain Python keeps what nothing else is given for (mmsb.state.arrays has flat arrays)."""
        self.genesis = genesis
        self.digest = Digest()
        self.clock = 0
        self._layouts: dict[str, PageLayout] = {}
        self._by_type: dict[int, PageLayout] = {}
        self._pages: PageTable = MemoryPages() if pages is None else pages
        self._ids: Ids = IdWindow(genesis.window) if ids is None else ids
        self._marks: MutableMapping[tuple[int, bytes], int] = {} if marks is None else marks
        self._sent: MutableMapping[int, int] = {} if sent is None else sent
        self._journal: list[Callable[[], None]] | None = None

    def __repr__(self) -> str:
        return f"PartitionState({len(self._pages)} pages, {len(self._ids)} ids, digest={self.digest.pack().hex()})"

    # Reading

    @property
    def layouts(self) -> dict[str, PageLayout]:
        """The page types that pages here have, by name."""
        return dict(self._layouts)

    def layout_of(self, type_id: int) -> PageLayout | None:
        return self._by_type.get(type_id)

    @property
    def page_count(self) -> int:
        return len(self._pages)

    @property
    def pages(self) -> PageTable:
        """For iterating; writing goes through the methods below."""
        return self._pages

    def read_page(self, type_id: int, key: bytes) -> tuple[int, bytes] | None:
        """The epoch and body; None if there is no such page."""
        return self._pages.get((type_id, key))

    def first_offset(self, id: bytes) -> int | None:
        """Where an id of the window was first seen."""
        return self._ids.first_offset(id)

    def mark(self, kind: int, source: bytes) -> int:
        """The highest number of a source that counted; 0 for a source never seen."""
        return self._marks.get((kind, source), 0)

    @property
    def source_count(self) -> int:
        return len(self._marks)

    def sent(self, target: int) -> int:
        """How many follow-ups were emitted to a partition."""
        return self._sent.get(target, 0)

    # Changing

    def add_layout(self, layout: PageLayout) -> None:
        """A page type of the claim: new, or the same type with other bounds or defaults."""
        name, old = layout.name, self._layouts.get(layout.name)
        self._set_layout(name, layout)
        self._undo(lambda: self._set_layout(name, old))

    def _set_layout(self, name: str, new: PageLayout | None) -> None:
        old = self._layouts.pop(name, None)
        if old is not None:
            del self._by_type[old.type_id]
        if new is not None:
            self._layouts[name] = self._by_type[new.type_id] = new

    def advance_clock(self, clock: int) -> None:
        old = self.clock
        if clock != old:
            assert clock > old, "the partition clock never goes back"
            self._set_clock(clock)
            self._undo(lambda: self._set_clock(old))

    def _set_clock(self, clock: int) -> None:
        self.digest += clock_term(clock) - clock_term(self.clock)
        self.clock = clock

    def settle(self, offset: int, status: Status, id: bytes | None, source: Source | None) -> None:
        """Count an offset's source, remember its id, and forget the ids that the window leaves behind."""
        if source is not None and status != Status.NOOP and source.number > self.mark(source.kind, source.source):
            self._raise_mark((source.kind, source.source), source.number)
        if id is not None and status.remembers and self.first_offset(id) is None:
            self._ids.remember(id, offset)
            self.digest += id_term(offset, id)
            self._undo(lambda: self._forget_last(offset, id))
        forgotten = self._ids.forget_to(offset - self._ids.size)
        if forgotten:
            for first, old in forgotten:
                self.digest -= id_term(first, old)
            self._undo(lambda: self._recall(forgotten))

    def _raise_mark(self, source: tuple[int, bytes], number: int) -> None:
        old = self._marks.get(source)
        self._set_mark(source, number)
        self._undo(lambda: self._set_mark(source, old))

    def _set_mark(self, source: tuple[int, bytes], number: int | None) -> None:
        old = self._marks.get(source)
        if old is not None:
            self.digest -= mark_term(*source, old)
        if number is not None:
            self._marks[source] = number
            self.digest += mark_term(*source, number)
        elif old is not None:
            del self._marks[source]

    def _forget_last(self, offset: int, id: bytes) -> None:
        self._ids.forget_last()
        self.digest -= id_term(offset, id)

    def _recall(self, forgotten: list[tuple[int, bytes]]) -> None:
        self._ids.recall(forgotten)
        for first, old in forgotten:
            self.digest += id_term(first, old)

    def count_follow_up(self, target: int) -> None:
        old = self.sent(target)
        self._set_sent(target, old + 1)
        self._undo(lambda: self._set_sent(target, old))

    def _set_sent(self, target: int, count: int) -> None:
        self.digest += sent_term(target, count) - sent_term(target, self.sent(target))
        self._sent[target] = count
        if count == 0:
            del self._sent[target]

    def write_page(self, type_id: int, key: bytes, epoch: int, body: bytes | None) -> None:
        """Give a page its new content; None deletes it."""
        old = self._pages.get((type_id, key))
        assert body is None or epoch > 0, "a page that exists has an epoch"
        self._set_page(type_id, key, None if body is None else (epoch, body))
        self._undo(lambda: self._set_page(type_id, key, old))

    def _set_page(self, type_id: int, key: bytes, new: tuple[int, bytes] | None) -> None:
        old = self._pages.get((type_id, key))
        self.digest += page_change(type_id, key, *(old or (0, None)), *(new or (0, None)))
        if new is not None:
            self._pages.put((type_id, key), *new)
        elif old is not None:
            self._pages.delete((type_id, key))

    def exchange_pages(self, change: Digest, exchange: Callable[[], None], take_back: Callable[[], None]) -> None:
        """Exchange all pages of a type for others at once; `change` is what the digest gains by it."""
        exchange()
        self.digest += change

        def undo() -> None:
            take_back()
            self.digest -= change

        self._undo(undo)

    # Taking back

    def begin(self) -> None:
        assert self._journal is None, "one undoable stretch at a time"
        self._journal = []

    def commit(self) -> None:
        self._journal = None

    def rollback(self) -> None:
        """Take back everything since `begin`."""
        journal, self._journal = self._journal or [], None
        for undo in reversed(journal):
            undo()

    def _undo(self, step: Callable[[], None]) -> None:
        if self._journal is not None:
            self._journal.append(step)

    # Checking

    def recompute_digest(self) -> Digest:
        """The digest from nothing: what the incremental one must equal."""
        digest = clock_term(self.clock)
        for (type_id, key), epoch, body in self._pages:
            digest += page_term(type_id, key, epoch, body)
        for offset, id in self._ids:
            digest += id_term(offset, id)
        for (kind, source), number in self._marks.items():
            digest += mark_term(kind, source, number)
        for target, count in self._sent.items():
            digest += sent_term(target, count)
        return digest

    def check(self) -> None:
        """Assert what must always hold."""
        assert self.digest == self.recompute_digest(), "the incremental digest equals one from nothing"
        assert self._journal is None, "no undoable stretch is left open"
        for (type_id, _), epoch, body in self._pages:
            layout = self.layout_of(type_id)
            assert layout is not None, "every page has a layout"
            assert len(body) == layout.size, "pages fit their layouts"
            assert epoch > 0, "a page that exists has an epoch"
