"""Both logs of a partition, side by side: each block that counts with the intents that it settled."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.schemas.records import Records, concat
from mmsb.schemas.tlog.claims import Claim
from mmsb.state.array_fold import ArrayFold
from mmsb.streams.files import Files
from mmsb.streams.folder import FOLD_BYTES, INTENTS, TLOG, Progress
from mmsb.streams.log import Reader
from mmsb.streams.log.segments import list_bases
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.folding import read_mark
from mmsb.streams.past.outcomes import OutcomeColumns


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """A block, what it settled, the partition clock before it, and the claim under which it was written."""

    block: BlockColumns
    outcomes: OutcomeColumns
    records: Records
    clock: int
    claim: Claim


class Recorded:
    """From the first record on. The fold goes along, so that in the end it has the recorded state."""

    def __init__(self, files: Files, folder: Path, tell: Progress) -> None:
        self._folder = folder
        self._tell = tell
        self._durable = read_mark(files, folder)
        self._check_whole(files)
        self._tlog = Reader(files, folder / TLOG, lambda: self._durable.tlog)
        self._intents = Reader(files, folder / INTENTS, lambda: self._durable.intents)
        self._held: Records | None = None
        first = read_batches(self._tlog.read(0, 1))
        self.genesis = first.value(0), first.key(0)
        self.fold = ArrayFold(*self.genesis)

    def _check_whole(self, files: Files) -> None:
        if not self._durable.tlog:
            raise EnvironmentFailed(f"{self._folder}: expected logs, found nothing durable in them; run it first")
        for name, end in ((TLOG, self._durable.tlog), (INTENTS, self._durable.intents)):
            first = next(iter(list_bases(files, self._folder / name)), end)
            if first:
                raise EnvironmentFailed(
                    f"{self._folder / name}: expected a log from its first record on, found offset {first}: what came "
                    "before was trimmed, or a worker took it over then; name a copy that still has it, or the topics, "
                    "as kafka://HOST:PORT/APP"
                )

    def __iter__(self) -> Iterator[Settled]:
        fold, end = self.fold, self._durable.tlog
        while fold.next < end:
            records = read_batches(self._tlog.read(fold.next, FOLD_BYTES))
            for index in range(fold.next - records.first, len(records)):
                clock = fold.state.clock
                verdict = fold.read(fold.next, records.key(index), records.value(index))
                if verdict.value is not None:
                    yield self._settled(verdict.value, clock)
            self._tell(fold.next, end)

    def _settled(self, value: bytes, clock: int) -> Settled:
        block = BlockColumns(value)
        assert self.fold.claim is not None, "a block that counts follows a claim"
        records = self._read(block.header.first, block.header.last)
        return Settled(block, OutcomeColumns(block), records, clock, self.fold.claim)

    def _read(self, first: int, last: int) -> Records:
        """Intents by their offsets, both included."""
        parts: list[Records] = []
        while first <= last:
            held = self._held
            if held is None or not held.first <= first <= held.last:
                data = self._intents.read(first, FOLD_BYTES)
                if not data:
                    raise CorruptState(
                        f"{self._folder / INTENTS}: expected intents up to {last}, which the TLog settles, found none "
                        f"from {first} on; run `mmsb verify`"
                    )
                self._held = held = read_batches(data)
            stop = min(last, held.last)
            parts.append(held.slice(first - held.first, stop + 1 - held.first))
            first = stop + 1
        return concat(parts) if len(parts) > 1 else parts[0]
