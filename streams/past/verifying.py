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
from typing import Final, Protocol

from mmsb.kernels.intake.intents_checksum import checksum_intents
from mmsb.processors.intake import bytes_of, find_columns, read_batches
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Verdict
from mmsb.streams.files import Files
from mmsb.streams.folder import FOLD_BYTES, INTENTS, MARK, TLOG, TOPIC
from mmsb.streams.log import Durable, Reader
from mmsb.streams.log.segments import list_bases, log_path, opened
from mmsb.streams.past.bases import Bases, NoBases
from mmsb.streams.past.checking import LogCheck, check_mark, check_pages, compare
from mmsb.streams.past.folding import list_partitions, read_mark
from mmsb.streams.past.growing import GrowingIndex, Standing
from mmsb.streams.past.index_file import encode_pages, pages_path
from mmsb.streams.past.problems import BRING_CHECKPOINT, MARK_ANEW, RESTORE, RUN_ONCE, Problem, problem_of
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


@dataclass(frozen=True)
class Anchor:
    """What was made from a TLog says of it: its head and digest behind a record that counts.

    `durable` is up to where both logs were on the disk when it was made.
    """

    path: Path
    durable: Durable
    accepted_at: int
    head: bytes
    digest: bytes


class Beside(Protocol):
    """What lies beside the logs of a partition and was made from them."""

    bases: Bases
    """Where a log that was trimmed goes on from."""
    anchors: list[Anchor]

    def check(self) -> Iterator[Problem]:
        """By itself; afterwards `anchors` and `bases` are those of what is sound."""
        ...


class LogsAlone:
    """Implements Beside: nothing does, or only what the caller vouches for."""

    def __init__(self, bases: Bases | None = None) -> None:
        self.bases: Bases = bases or NoBases()
        self.anchors: list[Anchor] = []

    def check(self) -> Iterator[Problem]:
        return iter(())


def verify(
    files: Files,
    data: Path,
    tell: Tell = lambda _, __: None,
    beside: Callable[[Path], Beside] = lambda _: LogsAlone(),
) -> Iterator[Problem | Summary]:
    """Each problem as it is found, and a summary behind those of each partition; `beside` gives what else it has."""
    partitions = list_partitions(files, data)
    done, total = 0, sum(_size(files, folder / log) for folder in partitions.values() for log in (TLOG, INTENTS))

    def count(size: int) -> None:
        nonlocal done
        done += size
        tell(min(done, total), total)

    for number, partition in partitions.items():
        kept = beside(partition)
        place = (number, None if files.exists(partition / TOPIC) else len(partitions))
        verification = Verification(files, partition, place, count, kept)
        try:
            for problem in verification.run():
                verification.summary.problems += 1
                yield problem
        finally:
            kept.bases.close()
        yield verification.summary


class Verification:
    """Of one partition."""

    def __init__(
        self, files: Files, folder: Path, place: tuple[int, int | None], tell: Callable[[int], None], beside: Beside
    ) -> None:
        """`place` is its number, and of how many; a worker's folder does not say that."""
        self._files = files
        self._folder = folder
        self._place = place
        self._tell = tell
        self._beside = beside
        self._said = _Settled()
        self._told: dict[Path, bool] = {}  # of what was made from the TLog: whether that is what the TLog says
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
        yield from self._beside.check()
        durable = Durable(*map(max, zip(*[durable, *(each.durable for each in self._beside.anchors)], strict=True)))
        tlog = LogCheck(self._files, self._folder / TLOG, durable.tlog, self._count_bytes)
        yield from tlog.run()
        intents = LogCheck(self._files, self._folder / INTENTS, durable.intents, self._count_bytes)
        yield from intents.run()
        self.summary.intents, self.summary.records = intents.end, tlog.end
        if tlog.end:
            fold = self._begin(tlog.first)
            if fold is None:
                expected = f"a sound checkpoint from which a TLog goes on that begins at offset {tlog.first}"
                yield Problem(self._folder / TLOG, None, expected, "none", BRING_CHECKPOINT)
                return
            yield from self._check_genesis(fold)
            yield from self._check_tlog(fold, tlog, durable.tlog)
            yield from self._check_beside()
            self._sum_up(fold)
            yield from self._check_intents(fold, intents, durable.intents)

    def _begin(self, first: int) -> ArrayFold | None:
        """With the first record; where that was trimmed, with a checkpoint. None if there is none."""
        if not first:
            return begin(self._files, self._folder / TLOG, ArrayFold)
        base = self._beside.bases.oldest_from(first)
        return None if base is None else base.fold()

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
        number, count = self._place
        if genesis.partition != number or count not in (None, genesis.partition_count):
            of = "" if count is None else f" of {count}"
            expected = f"partition {number}{of}, as its folder says"
            yield Problem(path, 0, expected, f"that of {genesis.partition} of {genesis.partition_count}", RESTORE)

    def _check_tlog(self, fold: ArrayFold, tlog: LogCheck, durable: int) -> Iterator[Problem]:
        """Fold what is sound, and hold page indexes against those that this makes."""
        folder, after = self._folder / TLOG, Standing()

        def hear(verdict: Verdict) -> None:
            self._said.add(verdict)
            self._look_up(fold)

        self._look_up(fold)
        for segment in tlog.sound:
            index, begun = GrowingIndex(segment.base, after), fold.next
            try:
                extend(self._files, folder, index, fold, segment.end, hear)
            except Damaged as damage:
                yield problem_of(damage.path, damage.fault)
                return
            after = index.after
            whole = begun <= max(segment.base, 1)
            if not whole:
                yield from check_pages(self._files, folder, segment)
            elif segment is not tlog.sound[-1] or segment.end < durable:
                parts = b"".join(encode_pages(index))
                yield from compare(self._files, pages_path(folder, segment.base), parts)

    def _look_up(self, fold: ArrayFold) -> None:
        """Whether what was made from the TLog up to here is what the TLog says."""
        for anchor in self._beside.anchors:
            if anchor.accepted_at == fold.accepted_at:
                self._told[anchor.path] = anchor.head == fold.head and anchor.digest == fold.digest.pack()

    def _check_beside(self) -> Iterator[Problem]:
        for anchor in self._beside.anchors:
            if not self._told.get(anchor.path, True):
                expected = f"the state behind TLog offset {anchor.accepted_at}, as the TLog tells it"
                found = f"digest {anchor.digest.hex()} and head {anchor.head.hex()}"
                yield Problem(anchor.path, None, expected, found, RESTORE)

    def _check_intents(self, fold: ArrayFold, intents: LogCheck, durable: int) -> Iterator[Problem]:
        """That each block settled the intents that are in the log."""
        folder, said, end = self._folder / INTENTS, self._said, intents.end
        if fold.settled >= durable:
            expected = f"intents up to offset {fold.settled}, which the TLog settles, below the durable mark"
            yield Problem(folder, None, expected, f"the mark at {durable}", RESTORE)
        found = self._checksums(said, intents.first, end)
        columns = (said.firsts, said.lasts, said.checksums, found, said.tlogs)
        for first, last, wanted, actual, tlog in zip(*columns, strict=True):
            if intents.first <= first and last < end and wanted != actual:
                expected = f"intents {first} to {last} with checksum {wanted:016x}, as TLog offset {tlog} settled them"
                yield Problem(self._file_of(folder, first), None, expected, f"{actual:016x}", RESTORE)

    def _checksums(self, said: _Settled, start: int, end: int) -> "array[int]":
        """Those of the intents of each block, as far as they are in the log."""
        found, block = array("Q", bytes(8 * len(said.firsts))), 0
        reader, offset = (
            Reader(self._files, self._folder / INTENTS, lambda: end),
            max(said.firsts[0], start) if said.firsts else end,
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
