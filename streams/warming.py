"""What a child process of mmsb.streams.building runs: `python -m mmsb.streams.warming PART [MODULE_FILE]`.

A kernel is compiled by its first call, so each is called once with nothing to do, through the code that calls it in
earnest: then the types of all arguments are right. What is compiled goes into the cache folder.
"""

import gc
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json import json_scan
from mmsb.kernels.intake import envelopes, record_batches
from mmsb.kernels.stepping import block_builder, outcomes, settling
from mmsb.processors.batching import Intents
from mmsb.processors.bundle import make_bundle
from mmsb.processors.compiled import Compiled, Stepper
from mmsb.processors.compiling.modules import Module, make_module
from mmsb.processors.intake import read_batches
from mmsb.processors.json_tables import json_tables
from mmsb.processors.judging import Judgement
from mmsb.processors.machine import Machine
from mmsb.processors.outputs import packed_events
from mmsb.processors.projector import Projector
from mmsb.schemas.batches import Record, decode_batches, encode_batch
from mmsb.schemas.classes import Page
from mmsb.schemas.declaring import page_layout
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.markers import i64, u64
from mmsb.schemas.sources import OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import FIXED
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import ZERO_HEAD
from mmsb.schemas.upserts import UPSERT, make_upsert
from mmsb.state.array_fold import ArrayFold
from mmsb.state.array_pages import words_in
from mmsb.state.arrays import ArrayState
from mmsb.state.block_folder import APPLIED, REFUSED, BlockFolder
from mmsb.state.home.digesting import digest_store
from mmsb.state.home.folding import note_changed
from mmsb.state.home.home import Home
from mmsb.state.home.restoring import restore
from mmsb.state.partition import PartitionState
from mmsb.state.store import NoRows, Row, Run, each_row
from mmsb.streams.folder import MEMORY_MIN
from mmsb.streams.generated import load_module
from mmsb.streams.log.frames import walk
from mmsb.streams.past.warming import warm_past
from mmsb.streams.store.columns import columns_of
from mmsb.streams.store.model import MemorySnapshot
from mmsb.streams.store.table_file import TableFile
from mmsb.streams.store.table_tail import new_session

GENESIS: Final = Genesis(bytes(range(16)), "warming", window=16)


def _read_only(size: int) -> Any:
    data = np.zeros(size, np.uint8)
    data.flags.writeable = False
    return data


_WORDS: Final[Any] = np.zeros(64, np.uint64)
_SAMPLES: Final[dict[str, Any]] = {
    "start": 0,
    "stop": 0,
    "first": 0,
    "partitions": 1,
    "partition": 0,
    "buffer": _read_only(64),
    "columns": np.zeros((record_batches.ROWS, 1), np.int64),
    "envelopes": np.zeros((envelopes.ROWS, 1), np.int64),
    "run": np.zeros((settling.ROWS_OF_RUN, 1), np.int64),
    "slots": np.zeros(8, np.int64),
    "sent": np.zeros(8, np.int64),
    "counts": np.zeros(64, np.int64),
    "log": words_in(GENESIS.log_id),
    "text8": np.zeros(64, np.uint8),
    "block8": np.zeros(64, np.uint8),
}
"""By name of parameter; all others are arrays of words."""


class Sample(Page):
    number: i64


def warm_bundle(path: Path) -> None:
    """Compile a bundle's two loops."""
    module = load_module(path)
    for loop in (module.find_pages, module.lower):
        call_idle(loop)


def call_idle(loop: Callable[..., Any]) -> None:
    """Call a loop over a stretch of no records."""
    loop(*(_SAMPLES.get(name, _WORDS) for name in inspect.signature(loop).parameters))


def warm_stepping() -> None:
    """Compile what steps packed intents of any bundle."""
    state = ArrayState(GENESIS)
    _warm_state(state)
    stepper = Stepper(Compiled(_no_module(), lambda *_: None, lambda *_: (0, outcomes.CUT)), state)
    records = read_batches(encode_batch(0, [Record(None, pack_intent(1, b"", id=bytes(16)))]))
    stepper.open()
    stepper.run(records, 0)
    stepper.add(Judgement(Status.NOOP, 1), rises=True)
    block_builder.add_delta(stepper.block, stepper.counts, 0, 0, np.uint64(0), 0, 0)
    stepper.checksum(records, 1)
    stepper.sections()
    _warm_batches()


def _warm_batches() -> None:
    """Intents that come as columns."""
    Intents(UPSERT, np.zeros((1, 0), np.uint64)).batches(0, 0)


def warm_json() -> None:
    """Compile what packs flat JSON."""
    columns, places = np.zeros((record_batches.ROWS, 1), np.int64), np.zeros((2, 1), np.int64)
    tables = json_tables(_no_module().layouts)
    json_scan.transcode(_read_only(64), columns, 0, 0, tables.words, np.zeros(64, np.uint8), 0, places)


def _no_module() -> Module:
    return make_module(make_bundle("warming", 1, 1, (), ()))


def _sample_block() -> tuple[PageLayout, bytes]:
    """A block that makes one page, and that page's layout."""
    page = page_layout(Sample, u64, None, globals())
    upsert = make_upsert(page, bytes(page.key_size), (), {"number": 1}, {}).pack()
    batch = encode_batch(0, [Record(None, pack_intent(UPSERT.type_id, upsert, id=bytes(range(16))))])
    assert walk(batch, 0).count == 1
    machine = Machine(make_bundle("warming", 1, 1, (page,), ()), PartitionState(GENESIS))
    return page, machine.step(decode_batches(batch)[0]).block(bytes(16), ZERO_HEAD)


def warm_folding() -> None:
    """Compile what reads logs and folds blocks: one that counts, and one with another digest, which is taken back."""
    page, entry = _sample_block()
    header = unpack_block(entry).header
    state = ArrayState(GENESIS)
    state.add_layout(page)
    folder = BlockFolder(state)
    assert folder.fold(None, replace(header, digest=bytes(16)), entry) == REFUSED
    assert folder.fold(None, header, entry) == APPLIED
    follower = ArrayState(GENESIS)
    follower.add_layout(page)
    told = list(Projector(follower).project(None, header, entry))
    assert len(list(packed_events(told, GENESIS, -1).batches(0))) == 1
    warm_past(entry, page.type_id.to_bytes(8, "little") + bytes(page.key_size), page.word_count)


def warm_home() -> None:
    """Compile what takes pages home, checks them there, brings them again and lets them go."""
    page, entry = _sample_block()
    fold = ArrayFold(GENESIS.pack())
    assert isinstance(fold.state, ArrayState), "an array fold has one"
    fold.state.add_layout(page)
    assert BlockFolder(fold.state).fold(None, unpack_block(entry).header, entry) == APPLIED
    home = Home(fold.state, NoRows(), MEMORY_MIN)
    note_changed(home, entry)
    home.changed(memoryview(bytearray(entry))[FIXED.size :], 1)  # what was stepped lies in memory that can be written
    pieces = list(home.cut(fold.settled).rows(fold.standing([])))
    _warm_table_file(pieces)
    rows = MemorySnapshot(dict(each_row(pieces)))
    meta, _ = digest_store(rows)
    _, again = restore(rows, meta, 0)
    again.bring_buckets(again.buckets_changed(memoryview(entry)[FIXED.size :], 1))
    again.bring_pages([(page.type_id, bytes(page.key_size))])
    assert again.is_whole
    again.written()
    assert not again.is_whole, "there is no room for pages, so none stays"


def _warm_table_file(pieces: Iterable[Row | Run]) -> None:
    """Compile what writes rows to a disk."""
    with TemporaryDirectory(prefix="mmsb-warming-") as folder:
        table = TableFile(Path(folder) / "rows", new_session())
        for rows in columns_of(pieces):
            table.add(rows)
        table.finish()


def _warm_state(state: ArrayState) -> None:
    """What is done to state one thing at a time."""
    state.begin()
    state.settle(0, Status.APPLIED, bytes(range(16)), Source(OUTSIDE, bytes(16), 1, 0))
    for key in range(600):  # enough that the index grows
        state.write_page(1, key.to_bytes(8, "little"), 1, bytes(8))
    state.write_page(1, bytes(8), 2, None)
    state.rollback()


PARTS: Final[dict[str, Callable[[Path], None]]] = {
    "bundle": warm_bundle,
    "stepping": lambda _: warm_stepping(),
    "json": lambda _: warm_json(),
    "folding": lambda _: warm_folding(),
    "home": lambda _: warm_home(),
}


def main(part: str, path: str = "") -> None:
    gc.disable()  # compiling makes millions of objects that all live until the end: an eighth of its time
    PARTS[part](Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
