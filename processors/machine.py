"""The machine: one partition's pages and rules behind one mutating door, `step`.

`step` judges each record against the state as the record before it left it, and applies what it decided; effects
beyond the state are values in the `Outcome`. It does no IO: `needs` names the pages that a batch may read, so that
whoever runs the machine can have them in memory first. Any cut of the same records into batches gives the same state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from mmsb.kernels.digest import Digest, intents_checksum
from mmsb.processors.bundle import Bundle
from mmsb.processors.doors import Query, check_query
from mmsb.processors.judging import Judgement, judge, judge_quarantined, named_pages
from mmsb.schemas.classes import Page, layout_of
from mmsb.schemas.errors import InvalidValue, PageNotFound
from mmsb.schemas.records import Records
from mmsb.schemas.sentences import sentence
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import FIXED, Block, BlockHeader, BlockTally, DeltaRow, FollowUpRow, OutcomeRow, summary
from mmsb.schemas.tlog.records import REIGN_BYTES, ZERO_HEAD, TlogKind
from mmsb.state.pages import PageId
from mmsb.state.partition import PartitionState

if TYPE_CHECKING:
    from mmsb.kernels.memory import Words
    from mmsb.processors.compiled import Compiled, Stepper

P = TypeVar("P", bound=Page)


@dataclass(frozen=True, repr=False)
class Outcome:
    """What became of the offsets first to last, and the state's digest and clock after them.

    The columns stay as the block has them; rows are made of them for whoever asks.
    """

    first: int
    last: int
    digest: Digest
    clock: int
    checksum: int
    sections: bytes | memoryview  # the block's bytes behind the fixed part of its header
    kind: TlogKind = TlogKind.BLOCK

    def __repr__(self) -> str:
        return f"Outcome({summary(self.first, self.last, self.outcomes)}, digest={self.digest.pack().hex()})"

    def block(self, reign: bytes, prev: bytes) -> bytes:
        """The TLog record that says so."""
        return b"".join((self.header(reign, prev).pack(), self.sections))

    def header(self, reign: bytes, prev: bytes) -> BlockHeader:
        digest = self.digest.pack()
        return BlockHeader(reign, prev, self.first, self.last, self.clock, digest, self.checksum, self.kind)

    @cached_property
    def _rows(self) -> Block:
        return unpack_block(self.block(bytes(REIGN_BYTES), ZERO_HEAD))

    @property
    def outcomes(self) -> Sequence[OutcomeRow]:
        return self._rows.outcomes

    @property
    def rises(self) -> Sequence[tuple[int, int]]:
        """Where the partition clock rose, as (index from first, clock)."""
        return self._rows.rises

    @property
    def deltas(self) -> Sequence[DeltaRow]:
        return self._rows.deltas

    @property
    def follow_ups(self) -> Sequence[FollowUpRow]:
        return self._rows.follow_ups

    def __getitem__(self, offset: int) -> OutcomeRow:
        if not self.first <= offset <= self.last:
            raise IndexError(f"offset {offset} is not among {self.first} to {self.last}")
        return self.outcomes[offset - self.first]


class Machine:
    """Steps one partition with one bundle. Two machines share nothing, even in one process."""

    def __init__(
        self, bundle: Bundle, state: PartitionState, settled: int = -1, compiled: "Compiled | None" = None
    ) -> None:
        """`settled` is the last offset that the state has settled. Compiled code needs an `ArrayState`."""
        self.bundle = bundle
        self.state = state
        self.settled = settled
        for page in bundle.descriptor.pages:
            known = state.layouts.get(page.name)
            if known is not None and known.type_id != page.type_id:
                raise InvalidValue(f"{page.name} has another layout in the state; migrate it first")
            state.add_layout(page)
        self._stepper = _stepper(compiled, state) if compiled else None

    def needs(self, records: Records) -> list[PageId]:
        """The pages that stepping these records may read, each once, in the order of first naming."""
        found: dict[PageId, None] = {}
        for index in range(len(records)):
            for layout, key in named_pages(self.bundle, self.state, self.state.clock, records.value(index)):
                found[layout.type_id, key] = None
        return list(found)

    def hashes_needed(self, records: Records) -> "dict[int, Words]":
        """The same as the hashes of their keys, by page type; some may be named more than once."""
        import numpy as np

        from mmsb.state.arrays import ArrayState

        assert isinstance(self.state, ArrayState), "hashes are those of an index"
        found: dict[int, list[Any]] = {}
        index = 0
        while index < len(records):
            aside = True
            if self._stepper is not None:
                index, aside = self._stepper.hashes_needed(records, index, found)
            if aside:
                for type_id, key in self.needs(records.slice(index, index + 1)):
                    found.setdefault(type_id, []).append(self.state.array_pages.hash_of((type_id, key)))
                index += 1
        return {type_id: np.concatenate(hashes) for type_id, hashes in found.items()}

    def step(self, records: Records) -> Outcome:
        """Settle records from the next offset on, as many as fit into one block; `Outcome.last` says how far."""
        if not len(records) or records.first != self.settled + 1:
            raise InvalidValue(f"step: expected records from offset {self.settled + 1} on, found {records.first}")
        if self._stepper is not None:
            return self._step_compiled(self._stepper, records)
        builder = _Builder(records.first)
        for index in range(len(records)):
            if not self._step_one(records, index, builder):
                break
        return self._finish(builder, records, TlogKind.BLOCK)

    def _step_one(self, records: Records, index: int, builder: "_Builder | Stepper") -> bool:
        """Judge one record and let it happen, if its outcome still fits into the block."""
        offset, time, flags = records.first + index, records.time(index), records.flags[index]
        judged = judge(self.bundle, self.state, offset, time, flags, records.value(index))
        fits = builder.add(judged, judged.clock > self.state.clock)
        if fits:
            self._apply(offset, judged)
        return fits

    def _step_compiled(self, stepper: "Stepper", records: Records) -> Outcome:
        """As far as compiled code goes, then one record interpreted, and on."""
        stepper.open()
        index, cut = 0, False
        while index < len(records) and not cut:
            index, cut = stepper.run(records, index)
            if index < len(records) and not cut:
                cut = not self._step_one(records, index, stepper)
                index += not cut
        self.settled = records.first + index - 1
        digest, clock, checksum = self.state.digest, self.state.clock, stepper.checksum(records, index)
        return Outcome(records.first, self.settled, digest, clock, checksum, stepper.sections())

    def quarantine(self, records: Records) -> Outcome:
        """Settle the one next record without executing it: what an operator does with a record that kills workers."""
        if len(records) != 1 or records.first != self.settled + 1:
            raise InvalidValue(f"quarantine: expected the one record at offset {self.settled + 1}")
        judged = judge_quarantined(self.bundle, self.state, records.time(0), records.flags[0], records.value(0))
        builder = _Builder(records.first)
        builder.add(judged, judged.clock > self.state.clock)
        self._apply(records.first, judged)
        return self._finish(builder, records, TlogKind.QUARANTINE)

    def _apply(self, offset: int, judged: Judgement) -> None:
        """The one place where what was judged happens."""
        self.state.advance_clock(judged.clock)
        self.state.settle(offset, judged.status, judged.id, judged.source)
        for change in judged.changes:
            self.state.write_page(change.layout.type_id, change.key, offset + 1, change.after)
        for follow_up in judged.follow_ups:
            self.state.count_follow_up(follow_up.target)
        self.settled = offset

    def _finish(self, builder: "_Builder", records: Records, kind: TlogKind) -> Outcome:
        count = len(builder.outcomes)
        settled = (
            (records.first + index, records.time(index), records.flags[index], records.value(index))
            for index in range(count)
        )
        digest, clock, checksum = self.state.digest, self.state.clock, intents_checksum(settled)
        last = records.first + count - 1
        header = BlockHeader(bytes(REIGN_BYTES), ZERO_HEAD, records.first, last, clock, digest.pack(), checksum, kind)
        rows = Block(header, builder.outcomes, builder.rises, builder.deltas, builder.follow_ups)
        return Outcome(records.first, last, digest, clock, checksum, rows.pack()[FIXED.size :], kind)

    def read(self, query: Query[P]) -> P:
        """The page that a query names, as a value that cannot be assigned to; raises PageNotFound."""
        check_query(query)
        ref = query.ref
        found = self.state.read_page(layout_of(ref.page).type_id, ref.packed_key)
        if found is None:
            raise PageNotFound(f"{ref!r} does not exist; it will once an intent on it applies")
        epoch, body = found
        return ref.page.from_body(body, epoch)

    def explain(self, row: OutcomeRow) -> str:
        """An outcome in words."""
        if row.rejection is None:
            return row.status.name.lower()
        layouts: dict[int, Any] = {**self.bundle.descriptor.layouts_by_type}
        return sentence(row.rejection, layouts, self.bundle.descriptor.messages)


def _stepper(compiled: "Compiled", state: PartitionState) -> "Stepper":
    """Compiled code loads NumPy and Numba, which interpreted machines do without."""
    from mmsb.processors.compiled import Stepper
    from mmsb.state.arrays import ArrayState

    if not isinstance(state, ArrayState):
        raise InvalidValue("a compiled machine steps an ArrayState; make the fold over one, or step interpreted")
    return Stepper(compiled, state)


class _Builder:
    """Collects a block's columns, refusing the outcome that would make it too large."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.outcomes: list[OutcomeRow] = []
        self.rises: list[tuple[int, int]] = []
        self.deltas: list[DeltaRow] = []
        self.follow_ups: list[FollowUpRow] = []
        self._tally = BlockTally(set())

    def add(self, judged: Judgement, rises: bool) -> bool:
        """Whether the outcome still fits; if not, nothing was added."""
        index = len(self.outcomes)
        row = OutcomeRow(
            judged.status,
            judged.type_id,
            judged.id,
            judged.source,
            judged.metadata,
            judged.first_offset,
            judged.rejection,
        )
        deltas = [
            DeltaRow(index, change.layout.type_id, change.key, change.base, change.kind, change.payload)
            for change in judged.changes
        ]
        sent = [FollowUpRow(index, sent.target, sent.number, sent.intent) for sent in judged.follow_ups]
        tally = self._tally.grown(row, rises, deltas, sent)
        if not tally.fits:
            assert self.outcomes, "one outcome always fits into a block"
            return False
        self._tally = tally
        self.outcomes.append(row)
        self.deltas += deltas
        self.follow_ups += sent
        if rises:
            self.rises.append((index, judged.clock))
        return True
