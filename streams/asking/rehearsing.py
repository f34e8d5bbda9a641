"""What other code, or fewer intents, would have done: the intents log lowered anew, from its first record on.

Everything here is HYPOTHETICAL. It is compared with what was recorded, offset by offset, and is never written as state.
Intents keep their offsets and times: one that is left out settles as a control record does, so that what comes after it
stands where it stood. Follow-ups are not what anybody asked for; they arrive as the rehearsal emits them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.intake import record_batches as rows
from mmsb.processors.bundle import Bundle
from mmsb.processors.intake import find_columns
from mmsb.processors.machine import Machine, Outcome
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.records import CONTROL, Record, Records
from mmsb.schemas.sources import FOLLOW_UP, SOURCE_BYTES, Source, unpack_source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import FIXED, HAS_SOURCE, FollowUpRow
from mmsb.schemas.tlog.records import REIGN_BYTES, ZERO_HEAD, TlogKind
from mmsb.state.array_fold import ArrayFold
from mmsb.streams.asking.arrivals import Arrivals, sender
from mmsb.streams.asking.comparing import Signature
from mmsb.streams.asking.filters import Filter
from mmsb.streams.asking.matching import mask_of, matching
from mmsb.streams.asking.recorded import Recorded, Settled
from mmsb.streams.files import Files
from mmsb.streams.folder import Progress
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.outcomes import OutcomeColumns

if TYPE_CHECKING:
    from mmsb.processors.compiled import Compiled

_NOBODY: Final = Filter(types=frozenset())
"""What nothing fits: nothing is left out."""

Mask = NDArray[np.bool_]
Columns = tuple[BlockColumns, OutcomeColumns]


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsed:
    """One block as it was recorded, and as it would have been; `kept` are the offsets that were not left out."""

    partition: int
    recorded: Settled
    kept: Mask
    blocks: Sequence[Columns]
    differs: NDArray[np.uint8]  # for each offset, as bits of comparing.What; 0 where it was left out

    @property
    def first(self) -> int:
        return self.recorded.block.header.first


class Rehearsal:
    """Of all partitions of a folder, with one bundle."""

    def __init__(
        self,
        files: Files,
        folders: Sequence[Path],
        bundle: Bundle,
        compiled: "Compiled | None" = None,
        *,
        only: Filter | None = None,
        without: Filter = _NOBODY,
        tell: Progress = lambda _, __: None,
    ) -> None:
        """Of what was asked for from outside, `only` what fits is kept, and nothing of what fits `without`.

        Follow-ups of partitions whose folders are not among these arrive as they were recorded.
        """
        self._arrivals = Arrivals()
        self._parts = [
            _Part(Recorded(files, folder, tell), bundle, compiled, only or Filter(), without, self._arrivals)
            for folder in folders
        ]
        for part in self._parts:
            part.begin({each.number for each in self._parts})
        found = self._parts[0].recorded.fold.genesis.app
        if found != bundle.app:
            raise InvalidValue(f"this data folder is of {found!r}, and the application is {bundle.app!r}; name another")

    def run(self) -> Iterator[Rehearsed]:
        """Block by block; those of several partitions in an order in which nothing arrives before its cause.

        Partitions of a running process are read at slightly different moments: it ends before a block that holds a
        follow-up whose cause is not there yet.
        """
        while any(part.ready for part in self._parts):
            for part in self._parts:
                while part.ready:
                    yield part.step()

    def ends_before(self, partition: int) -> int | None:
        """The offset of a block that waits for a cause that is not in the logs, once all was rehearsed."""
        block = self._parts[partition].next
        return None if block is None else block.block.header.first

    def recorded(self, partition: int) -> ArrayFold:
        """The state as the TLog tells it, once all was rehearsed; one block further where it `ends_before`."""
        return self._parts[partition].recorded.fold

    def hypothetical(self, partition: int) -> ArrayFold:
        """The state as it would be; only its pages and digest mean something."""
        return self._parts[partition].fold

    @property
    def without_place(self) -> int:
        """How many follow-ups were emitted for which the record has no place; they are not in the state."""
        return self._arrivals.left


class _Part:
    """One partition."""

    def __init__(
        self,
        recorded: Recorded,
        bundle: Bundle,
        compiled: "Compiled | None",
        only: Filter,
        without: Filter,
        arrivals: Arrivals,
    ) -> None:
        self.recorded = recorded
        self.fold = ArrayFold(*recorded.genesis)
        self.number = self.fold.genesis.partition
        self._machine = Machine(bundle, self.fold.state, -1, compiled)
        self._filters = [(each, each.positions(self.fold.genesis)) for each in (only, without)]
        self._arrivals = arrivals
        self._blocks = iter(recorded)
        self.next: Settled | None = None
        self._follow_ups: list[int] = []  # the rows of those in the next block
        self._sources: dict[int, Source] = {}  # of those that arrive as the rehearsal emits them, by row
        self._rehearsed: set[int] = set()

    def begin(self, rehearsed: set[int]) -> None:
        """Of which partitions follow-ups come from the rehearsal."""
        self._rehearsed = rehearsed
        self._advance()

    def _advance(self) -> None:
        self.next = next(self._blocks, None)
        found = {} if self.next is None else _follow_ups_of(self.next)
        self._follow_ups = list(found)
        self._sources = {row: source for row, source in found.items() if sender(source) in self._rehearsed}

    @property
    def ready(self) -> bool:
        """Whether there is a next block, and everything that arrives in it was emitted."""
        return self.next is not None and all(self._arrivals.ready(each, self.number) for each in self._sources.values())

    def step(self) -> Rehearsed:
        settled = self.next
        assert settled is not None, "it is ready"
        kept = self._kept(settled)
        outcomes = list(self._lower(settled, self._arrive(settled, kept)))
        rehearsed = _compared(self.number, settled, kept, outcomes)
        sent = [row for block, found in rehearsed.blocks for row in _sent(settled.block.header.first, block, found)]
        recorded = _sent(settled.block.header.first, settled.block, settled.outcomes)
        self._arrivals.emit(self.number, settled.block.header.first, recorded, sent)
        self._advance()
        return rehearsed

    def _kept(self, settled: Settled) -> Mask:
        """Follow-ups are kept: whether they arrive, those decide that emit them."""
        (only, positions), (without, others) = self._filters
        count = settled.block.count
        kept = mask_of(count, matching(settled.block, settled.outcomes, settled.clock, only, positions))
        kept &= ~mask_of(count, matching(settled.block, settled.outcomes, settled.clock, without, others))
        kept[self._follow_ups] = True
        return kept

    def _arrive(self, settled: Settled, kept: Mask) -> Records:
        """The records to be lowered in place of those that were logged."""
        records, blank, others = settled.records, ~kept, dict[int, bytes]()
        for row, source in self._sources.items():
            was = records.value(row)
            found = self._arrivals.arrive(source, self.number, was)
            if found is None:
                blank[row] = True
            elif found != was:
                others[row] = found
        if others:
            records = _with_values(records, others)
        return _blanked(records, blank) if blank.any() else records

    def _lower(self, settled: Settled, records: Records) -> Iterator[Outcome]:
        if settled.block.header.kind == TlogKind.QUARANTINE:
            yield self._machine.quarantine(records)
            return
        while len(records):
            outcome = self._machine.step(records)
            yield outcome
            records = records.slice(outcome.last + 1 - records.first, len(records))


def _follow_ups_of(settled: Settled) -> dict[int, Source]:
    """Those that came in their turn, or once more. What is behind a gap did not come from where it says."""
    block = settled.block
    if not block.sources.count:
        return {}
    found: list[int] = np.flatnonzero(settled.outcomes.flags & HAS_SOURCE).tolist()
    stop = block.sources.at + SOURCE_BYTES * block.sources.count
    sources = (unpack_source(block.value[at : at + SOURCE_BYTES]) for at in range(block.sources.at, stop, SOURCE_BYTES))
    gaps: list[bool] = (settled.outcomes.statuses == Status.NOOP).tolist()
    return {
        row: source for row, source in zip(found, sources, strict=True) if source.kind == FOLLOW_UP and not gaps[row]
    }


def _sent(first: int, block: BlockColumns, outcomes: OutcomeColumns) -> list[FollowUpRow]:
    """What a block emitted, with indices counted from an offset."""
    if not block.follow_ups.count:
        return []
    indices: Any = np.unique(np.frombuffer(block.value, "<u4", 6 * block.follow_ups.count, block.follow_ups.at)[::6])
    shift = block.header.first - first
    return [replace(row, index=row.index + shift) for index in indices.tolist() for row in outcomes.follow_ups(index)]


def _compared(partition: int, settled: Settled, kept: Mask, outcomes: Sequence[Outcome]) -> Rehearsed:
    if len(outcomes) == 1 and memoryview(settled.block.value)[FIXED.size :] == outcomes[0].sections:
        same = np.zeros(settled.block.count, np.uint8)
        return Rehearsed(partition, settled, kept, [(settled.block, settled.outcomes)], same)
    blocks = [BlockColumns(outcome.block(bytes(REIGN_BYTES), ZERO_HEAD)) for outcome in outcomes]
    columns = [(block, OutcomeColumns(block)) for block in blocks]
    differs = Signature.of([(settled.block, settled.outcomes)]).compare(Signature.of(columns))
    return Rehearsed(partition, settled, kept, columns, differs * kept.astype(np.uint8))


def _blanked(records: Records, blank: Mask) -> Records:
    """Some of the records as a broker's own ones, which settle as nothing."""
    found, start = find_columns(records)
    columns = found[:, start : start + len(records)].copy()
    columns[rows.FLAGS, blank] = CONTROL
    row: Any = columns  # rows of an array are sequences in all but name
    return Records(
        records.first,
        row[rows.TIME],
        columns[rows.FLAGS].astype(np.uint8).tobytes(),
        row[rows.KEY_AT],
        row[rows.KEY_SIZE],
        row[rows.VALUE_AT],
        row[rows.VALUE_SIZE],
        row[rows.HEADERS_AT],
        records.buffer,
    )


def _with_values(records: Records, others: dict[int, bytes]) -> Records:
    """Records of which some have another value."""
    changed = [
        Record(record.key, others.get(at, record.value), record.time, record.headers)
        for at, record in enumerate(records)
    ]
    return replace(Records.of(records.first, changed), flags=records.flags)
