"""Opens one partition of a data folder for its writer: what is on disk is judged, mended, folded and claimed.

    store and logs found → TLog folded, from where the store stands, as far as its intents are there
    → both logs mended → claim → migration, if due

What was readable but perhaps never reached the disk is folded before it is written once more; nobody is told anything
of it before that is done.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mmsb.processors.bundle import Bundle
from mmsb.processors.compiled import Compiled
from mmsb.processors.intake import read_batches
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import CorruptState, GenerationConflict
from mmsb.schemas.tlog.blocks import FIXED, unpack_block_header
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.follow_up_rows import count_follow_ups
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Fold
from mmsb.state.home.folding import converting, fold_at_home
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Meta, Standing
from mmsb.state.planning import Plan, make_plans
from mmsb.state.store import Store
from mmsb.streams.beginning import Begun, Logs, Wanted, begin, durable_of
from mmsb.streams.files import Files, make_folders
from mmsb.streams.folder import FOLD_BYTES, HOME, INTENTS, MARK, MEMORY_MIN, TLOG, Progress
from mmsb.streams.homes import distrust, open_home
from mmsb.streams.log import Durable, Log, Mark
from mmsb.streams.world import World


@dataclass
class Opened:
    """A partition's parts, open in this process."""

    intents: Log
    tlog: Log
    mark: Mark
    fold: ArrayFold
    home: Home
    store: Store
    stored: Standing | None
    """Where the store stood when it was opened; None if it was empty."""
    follow_up_blocks: list[int]
    """TLog offsets of the blocks that count and have follow-ups."""
    claimed_by: Writer | None = None

    @property
    def writer(self) -> Writer:
        assert self.claimed_by is not None, "the partition was claimed"
        return self.claimed_by

    @property
    def stepped(self) -> int:
        """The last intent whose effects the pages have."""
        return self.fold.settled if self.claimed_by is None else self.claimed_by.stepped

    def sync(self) -> None:
        """Have both logs on disk as far as they go by now."""
        self.intents.sync()
        self.tlog.sync()
        self.mark.write(Durable(self.intents.durable, self.tlog.durable))

    def close(self) -> None:
        with ExitStack() as parts:
            for part in (self.store, self.mark, self.tlog, self.intents):
                parts.callback(part.close)


@dataclass(frozen=True)
class Code:
    """What a partition runs: a bundle, and its compiled code if it has any."""

    bundle: Bundle
    compiled: Compiled | None
    durability: Durability
    dev: bool = False  # other code under the same generation takes the next one by itself
    memory: int = MEMORY_MIN  # how many bytes pages and their indexes may take


def open_partition(world: World, folder: Path, wanted: Wanted, code: Code, tell: Progress) -> Opened:
    """Blocks while it folds. `wanted` is what the TLog begins with if there is none, and is checked if there is."""
    _make_durable_folder(world.files, folder)
    with ExitStack() as opened:
        mark = Mark.open(world.files, folder / MARK)
        opened.callback(mark.close)
        housed = open_home(world, folder, code.memory)
        store, meta = housed.store, housed.meta
        opened.callback(store.close)
        durable = durable_of(mark.durable, meta)
        tlog = Log.open(world.files, folder / TLOG, durable.tlog)
        opened.callback(tlog.close)
        intents = Log.open(world.files, folder / INTENTS, durable.intents)
        opened.callback(intents.close)
        check_reaches(world.files, folder, meta, tlog, intents)
        begun = begin(Logs(folder, intents, tlog), wanted, world.nonce(), housed, code.memory)
        opened.callback(_note_damage, world.files, folder, begun.home)
        begun.follow_up_blocks[:] = [at for at in begun.follow_up_blocks if at >= tlog.first]  # those before arrived
        fold_rest(begun, tlog, intents, tell)
        tlog.mend()
        if tlog.end == 0:
            append_entry(tlog, Entry(TlogKind.GENESIS.key, begun.fold.genesis.pack()), world.time_ms())
        intents.mend()
        writer = claim(begun, code, world.nonce(), tlog, world.time_ms())
        mark.write(Durable(intents.durable, tlog.durable))
        opened.pop_all()
    stored = None if meta is None else meta.standing
    return Opened(intents, tlog, mark, begun.fold, begun.home, store, stored, begun.follow_up_blocks, writer)


def check_reaches(files: Files, folder: Path, meta: Meta | None, tlog: Log, intents: Log | None) -> None:
    """That the logs go on where the store ends: one that lost its last rows may say what it said before a trim.

    None stands for intents that are elsewhere.
    """
    if meta is not None:
        standing = meta.standing
        if standing.next < tlog.first or (intents is not None and standing.settled + 1 < intents.first):
            found = f"rows up to TLog offset {standing.next}, and a TLog that begins at {tlog.first}"
            distrust(files, folder, f"it lost rows: {found}")
            raise CorruptState(f"{folder / HOME}: expected what came before its logs, found {found}; start it again")


def _note_damage(files: Files, folder: Path, home: Home) -> None:
    if home.damage is not None:
        distrust(files, folder, home.damage)


def _make_durable_folder(files: Files, folder: Path) -> None:
    """A partition's folder, new or left by a start that did not get as far as the mark, durable in the data folder."""
    if not files.exists(folder / MARK):
        make_folders(files, folder)
        files.sync_folder(folder.parent)
        files.sync_folder(folder.parent.parent)


def fold_rest(begun: Begun, tlog: Log, intents: Log | None, tell: Progress) -> None:
    """Fold all of a TLog whose intents are there; the rest, which only a weaker promise allows, is cut off.

    None stands for intents that are elsewhere, and were before they were settled.
    """
    fold = begun.fold
    while fold.next < tlog.end:
        records = read_batches(tlog.read(fold.next, FOLD_BYTES))
        for index in range(fold.next - records.first, len(records)):
            value = records.value(index)
            if intents is not None and _settles_more(fold, value, intents.end):
                _check_promise(fold, intents)
                tlog.cut(fold.next)
                return
            verdict = fold_at_home(fold, begun.home, records.key(index), value)
            if verdict.value is not None and count_follow_ups(memoryview(verdict.value)[FIXED.size :]):
                begun.follow_up_blocks.append(verdict.offset)
        _write_early(begun, tlog)
        tell(fold.next, tlog.end)


def _write_early(begun: Begun, tlog: Log) -> None:
    """So much may change behind a store that memory would not hold it. What is not durable has to wait."""
    home, fold = begun.home, begun.fold
    if home.is_crowded and fold.next <= tlog.durable:
        cut = home.cut(fold.settled)
        begun.store.ingest(cut.rows(fold.standing(begun.follow_up_blocks)))
        home.written()


def _settles_more(fold: Fold, value: bytes | None, end: int) -> bool:
    """Whether a block that counts would settle intents that are not in the log."""
    if value is None or peek(value) not in (TlogKind.BLOCK, TlogKind.QUARANTINE):
        return False
    header = unpack_block_header(value)
    return header is not None and header.reign == fold.reign and header.last >= end


def _check_promise(fold: Fold, intents: Log) -> None:
    """A reign that promised only that the process may die can lose intents with the machine; no other one can."""
    if fold.durability != Durability.PROCESS:
        raise CorruptState(
            f"TLog offset {fold.next} settles intents from {fold.settled + 1} on, and the intents log ends at "
            f"{intents.end}: they were durable when it was written, so the disk has lost them; restore a good copy"
        )


def claim(begun: Begun, code: Code, nonce: bytes, tlog: Log, time_ms: int) -> Writer:
    """Take the partition over."""
    fold = begun.fold
    bundle = bundle_for(fold, code)
    migrations = [plan.migration for plan in plans_for(fold, bundle)]
    writer = Writer(bundle, fold, nonce, code.durability, code.compiled)
    _write(writer, writer.claim(), tlog, time_ms)
    if fold.pending:
        with converting(fold, begun.home):
            _write(writer, writer.migrate(migrations), tlog, time_ms)
    return writer


def plans_for(fold: Fold, bundle: Bundle) -> list[Plan]:
    """What becomes of pages whose layout is not their class's."""
    return make_plans(fold.state.layouts, bundle.descriptor.pages, bundle.origins, fold.genesis.partition_count)


def _write(writer: Writer, entry: Entry, tlog: Log, time_ms: int) -> None:
    verdict, _ = writer.read(append_entry(tlog, entry, time_ms), entry.key, entry.value)
    assert verdict.accepted, "nobody else writes into a locked folder"


def bundle_for(fold: Fold, code: Code) -> Bundle:
    bundle, runs = code.bundle, fold.generation
    other = bundle.generation == runs and bundle.hash != fold.bundle
    if not other and bundle.generation >= runs:
        return bundle
    takes_over = runs + (bundle.hash != fold.bundle)
    if code.dev:
        return replace(bundle, generation=takes_over)
    why = f"generation {runs} is that of other code" if other else f"generation {runs} has run here already"
    raise GenerationConflict(
        f"{bundle.app}: {why}, and this code says generation={bundle.generation}; set generation={takes_over} in "
        f"mmsb.App, or --generation {takes_over}, if it is to take over; or run with dev=True while you develop"
    )


def encode_entry(entry: Entry, offset: int, time_ms: int) -> bytes:
    """A TLog record, alone in its batch."""
    return encode_batch(offset, [Record(entry.key, entry.value, time_ms)])


def append_entry(tlog: Log, entry: Entry, time_ms: int) -> int:
    offset = tlog.end
    tlog.append(encode_entry(entry, offset, time_ms), offset, 1)
    tlog.sync()
    return offset
