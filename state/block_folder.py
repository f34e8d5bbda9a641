"""Folds whole blocks into a state of flat arrays, in compiled code: all of a block, or nothing of it.

    sections → columns of outcomes → rows of deltas → pages, type by type → marks → follow-ups → ids → digest

Each is a kernel that refuses what mmsb.schemas.tlog.block_reader and mmsb.state.applying refuse, without saying why:
whoever asks them about the same block is told.
"""

from itertools import accumulate
from operator import mul
from typing import Any, Final

import numpy as np

from mmsb.kernels.digest import Digest, clock_term
from mmsb.kernels.folding import (
    block_changes,
    block_deltas,
    block_follow_ups,
    block_sections,
    block_settling,
    unfolding,
)
from mmsb.kernels.intake import envelopes
from mmsb.kernels.memory import Words
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.limits import BLOCK_BYTES_MAX, BLOCK_INTENTS_MAX, PAGE_BYTES_MAX
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import COUNTS, DELTA_ROW, FIXED, HEADER_BYTES, BlockHeader
from mmsb.schemas.tlog.claims import Claim
from mmsb.schemas.upserts import BUILT_IN_TYPES
from mmsb.state.array_pages import ArrayPageType, words_in
from mmsb.state.arrays import ArrayState
from mmsb.state.rules import make_rules

# What may become of a block.
APPLIED: Final = block_changes.APPLIED
REFUSED: Final = unfolding.REFUSED
FULL: Final = unfolding.FULL
LEFT: Final = -3  # not for compiled code

DELTAS_MAX: Final = BLOCK_BYTES_MAX // DELTA_ROW.size
MARKS_MAX: Final = BLOCK_BYTES_MAX // SOURCE_BYTES
JOURNAL_FIRST: Final = 1 << 17  # words: room for all that a block says, unless it deletes much or fills long runs

_ZERO_AT: Final = slice(6, 8)  # in a block
_BYTES_FROM: Final = 8  # from here, counts are of bytes


class BlockFolder:
    """The working memory of compiled folding, and what it has to know of the claim and the layouts."""

    def __init__(self, state: ArrayState) -> None:
        self._state = state
        self._log = words_in(state.genesis.log_id)
        self._plan: Any = np.zeros(block_sections.WORDS, np.int64)
        self._columns: Any = np.zeros((block_deltas.DELTA_ROWS, DELTAS_MAX), np.int64)
        self._undone: Any = np.zeros(2 * MARKS_MAX, np.int64)
        self._stretches: Any = np.zeros(unfolding.STRETCH_W * (PAGE_BYTES_MAX // 8 + 1), np.int64)
        self._cause: Any = np.zeros((envelopes.ROWS, 1), np.int64)
        self._expected: Words = np.zeros(block_follow_ups.METADATA_WORDS_MAX, np.uint64)
        self._spare: Words = np.zeros(PAGE_BYTES_MAX // 8, np.uint64)
        self._journal: Words = np.zeros(JOURNAL_FIRST, np.uint64)
        self._hashes: Words = np.zeros(max(block_changes.AHEAD, block_settling.AHEAD), np.uint64)
        self._digest: Words = np.zeros(2, np.uint64)
        self._known: tuple[Claim | None, int] | None = None

    def fold(self, claim: Claim | None, header: BlockHeader, value: bytes) -> int:
        """Apply a block whose header is that of the next one; after anything but APPLIED the state is as before."""
        if not self._locate(header, value):
            return REFUSED
        self._get_to_know(claim)
        words, value8 = np.frombuffer(value, np.uint64), np.frombuffer(value, np.uint8)
        if not self._is_well_formed(words, value8, len(claim.descriptor.messages) if claim else 0):
            return REFUSED
        why = self._try(header, words, value8)
        while why == FULL:
            self._journal = np.zeros(2 * len(self._journal), np.uint64)
            why = self._try(header, words, value8)
        return why

    def _locate(self, header: BlockHeader, value: bytes) -> bool:
        """Plan where the sections are; whether they have whole words and fill the block."""
        count = header.last - header.first + 1
        if not 1 <= count <= BLOCK_INTENTS_MAX or len(value) > BLOCK_BYTES_MAX or header.first < 0:
            return False
        *counts, zero = COUNTS.unpack_from(value, FIXED.size)
        if zero or any(value[_ZERO_AT]) or any(size % 8 for size in (*counts[_BYTES_FROM:], len(value))):
            return False
        counts[_BYTES_FROM:] = [size // 8 for size in counts[_BYTES_FROM:]]
        types, *rows = counts
        sizes = (types, -(-count // 8), -(-count // 4), *map(mul, rows, block_sections.ROW_WORDS))
        *starts, end = accumulate(sizes, initial=HEADER_BYTES // 8)
        self._plan[: block_sections.PLANNED] = header.first, count, *starts, end, *counts
        return bool(8 * end == len(value))

    def _get_to_know(self, claim: Claim | None) -> None:
        known = claim, self._state.layout_changes
        if known == self._known:
            return
        self._known = known
        named = claim.descriptor.layouts_by_type if claim else {}
        intents = {type_id for type_id, layout in named.items() if isinstance(layout, IntentLayout)} | BUILT_IN_TYPES
        self._layouts = sorted(self._state.layouts.values(), key=lambda layout: layout.type_id)
        self._rules = [make_rules(layout) for layout in self._layouts]
        self._intents: Words = np.array(sorted(intents), np.uint64)
        self._pages: Words = np.array([layout.type_id for layout in self._layouts], np.uint64)
        self._types: Any = np.zeros((block_sections.TYPE_ROWS, len(self._intents) + len(self._pages)), np.int64)
        self._groups: Any = np.zeros((block_deltas.GROUP_ROWS, len(self._pages)), np.int64)

    def _is_well_formed(self, words: Words, value8: Any, messages: int) -> bool:
        plan, types, clock = self._plan, self._types, self._state.clock
        checked = block_deltas.check_block(
            words, value8, plan, types, self._intents, self._pages, messages, clock, self._columns, self._groups
        )
        return bool(checked)

    def _try(self, header: BlockHeader, words: Words, value8: Any) -> int:
        """Apply all, or nothing."""
        state = self._state
        span = state.array_ids.span
        self._digest[0], self._digest[1] = state.digest.a, state.digest.b
        self._plan[[block_sections.JOURNAL, block_sections.MARKS_DONE, block_sections.SENT_DONE]] = 0
        done: list[tuple[int, int]] = []
        why = self._apply(words, value8, done)
        digest = Digest(*self._digest.tolist()) + clock_term(header.clock) - clock_term(state.clock)
        if why == APPLIED and digest.pack() != header.digest:
            why = REFUSED
        if why == APPLIED:
            state.clock, state.digest = header.clock, digest
        else:
            self._take_back(words, value8, done, span)
        return why

    def _apply(self, words: Words, value8: Any, done: list[tuple[int, int]]) -> int:
        """Apply what comes; `done` gets how much of each page type's deltas was."""
        state, plan, digest = self._state, self._plan, self._digest
        for page in np.flatnonzero(self._groups[block_deltas.STOP] > self._groups[block_deltas.START]).tolist():
            why = self._apply_deltas(words, value8, page)
            done.append((page, int(plan[block_sections.DONE])))
            if why != APPLIED:
                return why
        marks, sent = state.array_marks.marks, state.array_sent.counts
        if not block_settling.settle_sources(words, value8, plan, marks, self._undone, digest):
            return LEFT
        if not block_follow_ups.count_follow_ups(
            words, value8, plan, self._log, state.genesis.partition, sent, self._cause, self._expected, digest
        ):
            return REFUSED
        block_settling.settle_ids(words, value8, plan, state.array_ids.window, self._hashes, digest)
        return APPLIED

    def _apply_deltas(self, words: Words, value8: Any, page: int) -> int:
        start, stop, creations = self._groups[:, page].tolist()
        pages = self._pages_of(page)
        if creations:
            pages.reserve(creations)
        why = block_changes.apply_deltas(
            words, value8, self._plan, self._columns, start, stop, pages.index, pages.arena, pages.arena.view(np.uint8),
            self._rules[page], self._journal, self._stretches, self._hashes, self._digest,
        )  # fmt: skip
        return int(why)

    def _pages_of(self, page: int) -> ArrayPageType:
        layout: PageLayout = self._layouts[page]
        return self._state.array_pages.of(layout)

    def _take_back(self, words: Words, value8: Any, done: list[tuple[int, int]], span: tuple[int, int]) -> None:
        state = self._state
        block_settling.take_back_ids(self._plan, state.array_ids.window)
        state.array_ids.go_back(span)
        block_follow_ups.take_back_follow_ups(words, self._plan, state.array_sent.counts)
        block_settling.take_back_sources(self._plan, state.array_marks.marks, self._undone)
        for page, stop in reversed(done):
            pages = self._pages_of(page)
            block_changes.take_back(
                words, value8, self._columns, int(self._groups[block_deltas.START, page]), stop, pages.index,
                pages.arena, self._rules[page], self._journal, self._stretches, self._spare,
            )  # fmt: skip
