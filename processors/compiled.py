"""Steps batches in compiled code: pass after pass over a chunk of records, no Python object for any of them.

    flat JSON to packed → envelopes → clock → sources and ids → arguments, keys, slots → lower and apply
    → digest of ids, marks and clock → block

Each pass is a kernel of its own; together they do what mmsb.processors.judging and lowering say. A record that compiled
code leaves alone (JSON that is not flat, an intent without user code, an intent that could not be compiled) goes
through those two, in its turn, on the same state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.kernels.digest import Digest
from mmsb.kernels.flat_json import json_scan
from mmsb.kernels.intake import envelopes as envelope
from mmsb.kernels.intake import record_batches
from mmsb.kernels.memory import Words
from mmsb.kernels.stepping import block_builder as block
from mmsb.kernels.stepping import outcomes, settling
from mmsb.processors.compiling.modules import Module
from mmsb.processors.intake import bytes_of, checksum, find_columns
from mmsb.processors.json_tables import json_tables
from mmsb.processors.judging import Judgement
from mmsb.schemas.limits import KEY_BYTES_MAX, PAGES_PER_INTENT_MAX
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.blocks import COUNTS, FIXED, FOLLOW_UP_ROW
from mmsb.state.array_pages import words_in
from mmsb.state.arrays import ArrayState

CHUNK: Final = 1024  # what a pass leaves for the next, and the pages that were fetched ahead, stay in a core's caches
CHUNK_MIN: Final = 16  # where much is left to the interpreter, less is prepared for nothing
KEY_WORDS_MAX: Final = PAGES_PER_INTENT_MAX * KEY_BYTES_MAX // 8
PACKED: Final = 1 << 20  # bytes into which JSON intents are transcoded at a time
ROOM: Final = 1 << 16  # words of address space by which an arena is extended at least


@dataclass(frozen=True)
class Compiled:
    """A bundle's module, loaded. Any number of machines can share it."""

    module: Module
    find_pages: Callable[..., None]
    lower: Callable[..., tuple[int, int]]


class Stepper:
    """The working memory of one machine's compiled passes."""

    def __init__(self, compiled: Compiled, state: ArrayState) -> None:
        module = compiled.module
        self.compiled = compiled
        self.state = state
        self.block: Any = np.zeros(block.WORDS, np.uint64)
        self.block8: Any = self.block.view(np.uint8)
        self.counts: Any = np.zeros(block.USED + len(module.types), np.int64)
        self._types: Any = np.array(module.types, np.uint64)
        self._ranks: Any = np.zeros(len(module.types), np.int64)
        self._intents: Any = np.array(module.intents, np.uint64)
        self._left_out: Any = np.array([type_id not in module.queries for type_id in module.intents])
        self._log: Any = words_in(state.genesis.log_id)
        self._columns: Any = np.zeros((record_batches.ROWS, CHUNK), np.int64)
        self._envelopes: Any = np.zeros((envelope.ROWS, CHUNK), np.int64)
        self._run: Any = np.zeros((settling.ROWS_OF_RUN, CHUNK), np.int64)
        self._rejections: Any = np.zeros(4 * CHUNK, np.uint64)
        self._hashes: Any = np.zeros(max(module.page_count, 1) * CHUNK, np.uint64)
        self._slots: Any = np.zeros(max(module.page_count, 1) * CHUNK, np.int64)
        self._keys: Any = np.zeros(module.key_words * CHUNK, np.uint64)
        self._scratch: Any = np.zeros(module.scratch_words, np.uint64)
        self._tables = json_tables(module.layouts)
        self._packed: Any = np.zeros(PACKED, np.uint8)
        self._places: Any = np.zeros((2, CHUNK), np.int64)
        self._is_json = False
        self._aside: Any = np.zeros(module.scratch_words + KEY_WORDS_MAX, np.uint64)
        self._text8: Any = np.zeros(4096, np.uint8)
        self._digest: Any = np.zeros(2, np.uint64)
        self._chunk = CHUNK

    def open(self) -> None:
        """Begin a block."""
        self.counts[:] = 0
        self.counts[block.CLOCK] = self.state.clock

    def run(self, records: Records, index: int) -> tuple[int, bool]:
        """Step from a record on: up to which, and whether the block was full; if not, that one is to be interpreted."""
        why = outcomes.GO_ON
        data = bytes_of(records.buffer)
        columns, start = find_columns(records)
        while index < len(records) and why == outcomes.GO_ON:
            first = records.first + index
            count = min(self._chunk, len(records) - index, self._generation_end(first) - first)
            self._columns[:, :count] = columns[:, start + index : start + index + count]
            done, why = self._run_chunk(data, first, count)
            index += done
        return index, why == outcomes.CUT

    def _run_chunk(self, data: Any, first: int, count: int) -> tuple[int, int]:
        buffer, count, ready = self._prepare(data, count)
        at, why = self._step_ready(buffer, first, ready)
        if at < count and why == outcomes.GO_ON:
            why = outcomes.SLOW
        self._chunk = min(2 * self._chunk, CHUNK) if why != outcomes.SLOW else max(self._chunk // 2, CHUNK_MIN)
        if why == outcomes.GROW:
            self._grow()
            why = outcomes.GO_ON
        return at, why

    def _prepare(self, buffer: Any, count: int) -> tuple[Any, int, int]:
        """The envelopes of a chunk: the bytes they lie in, how many there are, and how many compiled code takes.

        Batches rarely mix JSON with packed intents, so the chunk before says what to expect of this one.
        """
        if not self._is_json:
            ready = self._read_envelopes(buffer, count)
            self._is_json = ready < count and int(self._envelopes[envelope.VERDICT, ready]) == envelope.SLOW
            if not self._is_json:
                return buffer, count, ready
        packed, count = self._transcode(buffer, count)
        return packed, count, self._read_envelopes(packed, count)

    def _read_envelopes(self, buffer: Any, count: int) -> int:
        envelope.read_envelopes(
            buffer, self._columns, 0, count, self._intents, self._log, self.state.genesis.partition_count,
            self._envelopes, self._rejections,
        )  # fmt: skip
        return int(settling.ready(self._columns, self._envelopes, self._left_out, count))

    def _transcode(self, buffer: Any, count: int) -> tuple[Any, int]:
        """One buffer in which all intents are packed, except those that are left to the interpreter."""
        tables, columns = self._tables, self._columns
        room = tables.room(max(int(columns[record_batches.VALUE_SIZE, 0]), 0))
        if room > len(self._packed):
            self._packed = np.zeros(2 * room, np.uint8)
        done, _ = json_scan.transcode(
            buffer, columns, 0, count, tables.words, self._packed, 0, self._places
        )  # fmt: skip
        places = self._places[:, :done]
        self._is_json = bool(np.any(places[json_scan.PLACE_SIZE] != columns[record_batches.VALUE_SIZE, :done]))
        columns[record_batches.VALUE_AT, :done] = places[json_scan.PLACE]
        columns[record_batches.VALUE_SIZE, :done] = places[json_scan.PLACE_SIZE]
        return bytes_of(self._packed), int(done)

    def _generation_end(self, first: int) -> int:
        """What a chunk remembers goes into one table of the window, so that it can be taken back."""
        size = self.state.genesis.window
        return (first // size + 1) * size

    def _step_ready(self, buffer: Any, first: int, count: int) -> tuple[int, int]:
        """The passes over records that compiled code can take."""
        state, genesis = self.state, self.state.genesis
        window, marks = state.array_ids.window, state.array_marks.marks
        clock = state.clock
        settling.advance_clock(self._columns, 0, count, clock, self._run)
        settling.settle(
            buffer, self._envelopes, self._rejections, self._run, self._hashes, window, marks, first, 0, count
        )
        self.find_pages(buffer, self._columns, self._envelopes, count, genesis.partition_count, genesis.partition)
        arrays = self._arrays()
        self._digest[0], self._digest[1] = state.digest.a, state.digest.b
        at, why = self.compiled.lower(
            0, count, first, buffer, self._envelopes, self._run, self._keys, self._slots, self._scratch,
            self._rejections, self.block, self.block8, self.counts, self._digest, self._text8, self._aside,
            state.array_sent.counts, self._log, genesis.partition_count, genesis.partition, *arrays,
        )  # fmt: skip
        if at < count:
            settling.unsettle(self._run, window, marks, first, at, count)
        settling.count_settled(buffer, self._envelopes, self._run, window, marks, first, 0, at, clock, self._digest)
        state.digest = Digest(int(self._digest[0]), int(self._digest[1]))
        state.clock = int(self.counts[block.CLOCK])
        return int(at), int(why)

    def find_pages(self, buffer: Any, columns: Any, envelopes: Any, count: int, partitions: int, partition: int) -> Any:
        """Arguments, keys and slots of a chunk; gives the rejections, a row of four words for each record."""
        self.compiled.find_pages(
            0, count, buffer, columns, envelopes, self._keys, self._hashes, self._slots, self._scratch,
            self._text8, partitions, partition, self._rejections, *self._arrays(),
        )  # fmt: skip
        return self._rejections

    def hashes_needed(self, records: Records, index: int, found: dict[int, list[Words]]) -> tuple[int, bool]:
        """Add the hashes of the keys of pages that records of a chunk may look at, by page type.

        Gives up to which record that was done, and whether that one is to be interpreted.
        """
        module, genesis = self.compiled.module, self.state.genesis
        columns, start = find_columns(records)
        count = min(CHUNK, len(records) - index)
        self._columns[:, :count] = columns[:, start + index : start + index + count]
        buffer, _, ready = self._prepare(bytes_of(records.buffer), count)
        self.find_pages(buffer, self._columns, self._envelopes, ready, genesis.partition_count, genesis.partition)
        going = self._envelopes[envelope.VERDICT, :ready] == outcomes.GO_ON
        types = self._envelopes[envelope.TYPE, :ready]
        hashes = self._hashes[: ready * module.page_count].reshape(ready, module.page_count)
        for type_id, pages in module.queries.items():
            rows = np.flatnonzero(going & (types == module.intents.index(type_id)))
            for number, page_type in enumerate(pages):
                found.setdefault(page_type, []).append(hashes[rows, number])
        return index + ready, ready < count

    def _arrays(self) -> list[Any]:
        found: list[Any] = []
        for layout in self.compiled.module.pages:
            pages = self.state.array_pages.of(layout)
            found += [pages.index, pages.arena]
        return found

    def _grow(self) -> None:
        for layout in self.compiled.module.pages:
            pages = self.state.array_pages.of(layout)
            pages.reserve(max(ROOM // pages.stride, 64))

    def add(self, judged: Judgement, rises: bool) -> bool:
        """Whether the outcome of a record that was judged interpreted still fits; if not, nothing was added."""
        numbers = {self._number(change.layout.type_id) for change in judged.changes} | {self._number(judged.type_id)}
        new = sum(int(block.is_new(self.counts, number)) for number in numbers)
        if not block.fits(self.counts, _words_of(judged, rises), new):
            return False
        for change in judged.changes:
            self._append(block.PAYLOAD, block.PAYLOAD_W, change.key + change.payload, rows=False)
            self.counts[block.PAYLOAD_W] -= (len(change.key) + len(change.payload)) // 8
            sizes = (len(change.key) // 8, len(change.payload) // 8)
            base = np.uint64(change.base)
            block.add_delta(
                self.block, self.counts, self._number(change.layout.type_id), int(change.kind), base, *sizes
            )
        index = int(self.counts[block.INTENTS_N])
        for sent in judged.follow_ups:
            row = FOLLOW_UP_ROW.pack(index, sent.target, sent.number, len(sent.intent), 0)
            self._append(block.SENT, block.SENT_N, row)
            self._append(block.FOLLOW_UPS, block.FOLLOW_UPS_W, sent.intent, rows=False)
        self._add_parts(judged, rises)
        return True

    def _add_parts(self, judged: Judgement, rises: bool) -> None:
        """The outcome itself, with what its envelope brought."""
        flags = int(judged.status)
        if rises:
            block.add_rise(self.block, self.counts, judged.clock)
        if judged.id is not None:
            flags |= block.HAS_ID
            self._append(block.IDS, block.IDS_N, judged.id)
        if judged.source is not None:
            flags |= block.HAS_SOURCE
            self._append(block.SOURCES, block.SOURCES_N, judged.source.pack())
        if judged.metadata:
            flags |= block.HAS_METADATA
            self._append(block.METADATA, block.METADATA_W, judged.metadata, rows=False)
        if judged.first_offset is not None:
            self._append(block.DUPLICATES, block.DUPLICATES_N, judged.first_offset.to_bytes(8, "little", signed=True))
        if judged.rejection is not None:
            self._append(block.REJECTIONS, block.REJECTIONS_N, judged.rejection.pack())
        block.add_outcome(self.block, self.block8, self.counts, flags, self._number(judged.type_id))

    def _append(self, region: int, counter: int, data: bytes, rows: bool = True) -> None:
        """One row, or content that is counted in words."""
        size = len(data) // 8
        at = region + int(self.counts[counter]) * (size if rows else 1)
        self.block[at : at + size] = words_in(data)
        self.counts[counter] += 1 if rows else size

    def _number(self, type_id: int | None) -> int:
        return -1 if type_id is None else self.compiled.module.types.index(type_id)

    def sections(self) -> memoryview:
        """The block's bytes behind the fixed part of its header; not copied, as whoever joins them to it copies."""
        size = block.size_of(self.counts)
        value: Any = np.empty(size // 8, np.uint64)
        block.finish(self.block, self.block8, self.counts, self._types, self._ranks, value)
        counts = self.counts
        rows = counts[[block.TYPES_N, *range(block.RISES_N, block.SENT_N + 1)]].tolist()
        sizes = (8 * counts[block.METADATA_W : block.FOLLOW_UPS_W + 1]).tolist()
        data = value.view(np.uint8)
        data[FIXED.size : block.HEADER_BYTES] = np.frombuffer(COUNTS.pack(*rows, *sizes, 0), np.uint8)
        return memoryview(data)[FIXED.size :]

    def checksum(self, records: Records, count: int) -> int:
        """The checksum of the first records of a batch."""
        return checksum(records.slice(0, count))


def _words_of(judged: Judgement, rises: bool) -> int:
    """How much an outcome takes in the block besides its row."""
    words = block.RISE_W * rises + len(judged.metadata) // 8
    words += block.ID_W * (judged.id is not None) + block.SOURCE_W * (judged.source is not None)
    words += (judged.first_offset is not None) + block.REJECTION_W * (judged.rejection is not None)
    words += sum(block.DELTA_W + (len(change.key) + len(change.payload)) // 8 for change in judged.changes)
    return words + sum(block.SENT_W + len(sent.intent) // 8 for sent in judged.follow_ups)
