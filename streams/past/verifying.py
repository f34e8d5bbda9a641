"""Checks a whole data folder without trusting what any file in it says of another.

    mark → checkpoints and home, each by itself → both logs: frames, checksums, offsets → TLog: what counts, chain,
    digests, those of checkpoints and home among them → what blocks say of the intents that they settle → index files,
    each against one made from its segment

Other processes may go on writing: what lies above the durable mark is not looked at. Nothing is changed.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mmsb.kernels.intake.intents_checksum import checksum_intents
from mmsb.processors.intake import bytes_of, find_columns, read_batches
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Verdict
from mmsb.streams.files import Files
from mmsb.streams.folder import FOLD_BYTES, INTENTS, MARK, TLOG
from mmsb.streams.log import Reader
from mmsb.streams.log.segments import list_bases, log_path, opened
from mmsb.streams.past.bases import Base, Bases, NoBases
from mmsb.streams.past.checking import LogCheck, check_mark, compare
from mmsb.streams.past.folding import list_partitions, read_mark
from mmsb.streams.past.growing import GrowingIndex, Standing
from mmsb.streams.past.index_file import encode_pages, pages_path
from mmsb.streams.past.problems import MARK_ANEW, RESTORE, RUN_ONCE, Problem, problem_of
from mmsb.streams.past.scanning import Damaged, begin, extend

Tell = Callable[[int, int], None]
"""Told how many bytes were checked, of how many."""

_U64: Final = 2**64 - 1


@dataclass
class Summary:
    """What was found in one partition, as far as it could be read."""

    partition: Path
    size: int = 0  # of both logs, in bytes
    intents: int = 0  # records in the intents log
    records: int = 0  # in the TLog
    blocks: int = 0
    discarded: int = 0  # records of the TLog that do not count, which is no problem
    settled: int = -1
    generation: int = 0
    head: bytes = b""
    digest: bytes = b""
    problems: int = 0


@dataclass
class _Settled:
    """What blocks say of the intents that they settle, a row for each."""

    firsts: "array[int]" = field(default_factory=lambda: array("q"))
    lasts: "array[int]" = field(default_factory=lambda: array("q"))
    checksums: "array[int]" = field(default_factory=lambda: array("Q"))
    tlogs: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, verdict: Verdict) -> None:
        """Take note of a record, if it is a block that counts."""
        header = None if verdict.value is None else unpack_block_header(verdict.value)
        if header is not None:
            self.firsts.append(header.first)
            self.lasts.append(header.last)
            self.checksums.append(header.checksum)
            self.tlogs.append(verdict.offset)


def verify(
    files: Files, data: Path, tell: Tell = lambda _, __: None, bases_of: Callable[[int], Bases] = lambda _: NoBases()
) -> Iterator[Problem | Summary]:
    """Each problem as it is found, and a summary behind those of each partition.

    `bases_of` gives those of a partition: logs that were trimmed are checked from where the first of them goes on.
    """
    partitions = list_partitions(files, data)
    done, total = 0, sum(_size(files, partition / log) for partition in partitions for log in (TLOG, INTENTS))

    def count(size: int) -> None:
        nonlocal done
        done += size
        tell(min(done, total), total)

    for number, partition in enumerate(partitions):
        bases = bases_of(number)
        verification = Verification(files, partition, (number, len(partitions)), count, bases)
        for problem in verification.run():
            verification.summary.problems += 1
            yield problem
        bases.close()
        yield verification.summary


class Verification:
    """Of one partition."""

    def __init__(
        self, files: Files, folder: Path, place: tuple[int, int], tell: Callable[[int], None], bases: Bases
    ) -> None:
        """`place` is its number, and of how many."""
        self._files = files
        self._folder = folder
        self._place = place
        self._tell = tell
        self._bases = bases
        self._said = _Settled()
        self.summary = Summary(folder)

    def run(self) -> Iterator[Problem]:
        mark = self._folder / MARK
        try:
            durable = read_mark(self._files, self._folder)
        except (CorruptState, EnvironmentFailed) as error:
            found, advice = (str(error), MARK_ANEW) if self._files.exists(mark) else ("no file", RUN_ONCE)
            yield Problem(mark, None, "a durable mark", found, advice)
            return
        yield from check_mark(self._files, mark)
        base = self._base()
        begins = (0, 0) if base is None else (base.next, base.settled + 1)
        tlog, intents = (
            LogCheck(self._files, self._folder / log, end, self._count_bytes, may_begin)
            for log, end, may_begin in zip((TLOG, INTENTS), (durable.tlog, durable.intents), begins, strict=True)
        )
        yield from tlog.run()
        yield from intents.run()
        self.summary.intents, self.summary.records = intents.end, tlog.end
        if tlog.sound and tlog.end:
            fold = begin(self._files, self._folder / TLOG, ArrayFold) if base is None else base.fold()
            yield from self._check_genesis(fold)
            yield from self._check_tlog(fold, tlog, durable.tlog)
            self._sum_up(fold)
            yield from self._check_intents(fold, intents.end, durable.intents)

    def _base(self) -> Base | None:
        """What a TLog that was trimmed goes on from."""
        first = next(iter(list_bases(self._files, self._folder / TLOG)), 0)
        return self._bases.oldest_from(first) if first else None

    def _count_bytes(self, size: int) -> None:
        self.summary.size += size
        self._tell(size)

    def _sum_up(self, fold: ArrayFold) -> None:
        summary = self.summary
        summary.blocks, summary.discarded = len(self._said.firsts), sum(fold.discarded.values())
        summary.settled, summary.generation = fold.settled, fold.generation
        summary.head, summary.digest = fold.head, fold.digest.pack()

    def _check_genesis(self, fold: ArrayFold) -> Iterator[Problem]:
        path, genesis = log_path(self._folder / TLOG, 0), fold.genesis
        if (genesis.partition, genesis.partition_count) != self._place:
            expected = f"partition {self._place[0]} of {self._place[1]}, as its folder says"
            yield Problem(path, 0, expected, f"that of {genesis.partition} of {genesis.partition_count}", RESTORE)

    def _check_tlog(self, fold: ArrayFold, tlog: LogCheck, durable: int) -> Iterator[Problem]:
        """Fold what is sound, and hold page indexes against those that this makes."""
        folder, after = self._folder / TLOG, Standing()
        for segment in tlog.sound:
            index, begun = GrowingIndex(segment.base, after), fold.next
            try:
                extend(self._files, folder, index, fold, segment.end, self._said.add)
            except Damaged as damage:
                yield problem_of(damage.path, damage.fault)
                return
            after = index.after
            whole = begun <= max(segment.base, 1)
            if whole and (segment is not tlog.sound[-1] or segment.end < durable):
                parts = b"".join(encode_pages(index))
                yield from compare(self._files, pages_path(folder, segment.base), parts)

    def _check_intents(self, fold: ArrayFold, end: int, durable: int) -> Iterator[Problem]:
        """That each block settled the intents that are in the log."""
        folder, said = self._folder / INTENTS, self._said
        if fold.settled >= durable:
            expected = f"intents up to offset {fold.settled}, which the TLog settles, below the durable mark"
            yield Problem(folder, None, expected, f"the mark at {durable}", RESTORE)
        found = self._checksums(said, end)
        columns = (said.firsts, said.lasts, said.checksums, found, said.tlogs)
        for first, last, wanted, actual, tlog in zip(*columns, strict=True):
            if last < end and wanted != actual:
                expected = f"intents {first} to {last} with checksum {wanted:016x}, as TLog offset {tlog} settled them"
                yield Problem(self._file_of(folder, first), None, expected, f"{actual:016x}", RESTORE)

    def _checksums(self, said: _Settled, end: int) -> "array[int]":
        """Those of the intents of each block, as far as they are in the log."""
        found, block = array("Q", bytes(8 * len(said.firsts))), 0
        reader, offset = (
            Reader(self._files, self._folder / INTENTS, lambda: end),
            said.firsts[0] if said.firsts else end,
        )
        while offset < end and block < len(found):
            records = read_batches(reader.read(offset, FOLD_BYTES))
            while block < len(found) and said.firsts[block] <= records.last:
                found[block] = (found[block] + _checksum(records, said.firsts[block], said.lasts[block])) & _U64
                if said.lasts[block] > records.last:
                    break
                block += 1
            offset = records.last + 1
        return found

    def _file_of(self, folder: Path, offset: int) -> Path:
        bases = [base for base in list_bases(self._files, folder) if base <= offset]
        return log_path(folder, bases[-1])


def _checksum(records: Records, first: int, last: int) -> int:
    """Of those of some records that have offsets from one to another."""
    columns, start = find_columns(records)
    first, last = max(first, records.first), min(last, records.last)
    at = start + first - records.first
    return int(checksum_intents(bytes_of(records.buffer), columns, at, at + last + 1 - first, first))


def _size(files: Files, folder: Path) -> int:
    total = 0
    for base in list_bases(files, folder):
        with opened(files, log_path(folder, base)) as file:
            total += file.size()
    return total
