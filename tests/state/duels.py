"""Compiled folding against the plain way, block by block on one state: the same verdict, and the same state after it.

Blocks are right, or wrong in a place or two; wrong ones carry the digest of the state to which they would lead, so that
only the rule that they break can refuse them.
"""

import contextlib
import re
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from mmsb.schemas.deltas import DeltaKind, apply_change
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import MmsbError
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, BlockHeader, unpack_block_header
from mmsb.schemas.tlog.claims import Claim, Durability
from mmsb.state.applying import apply_block
from mmsb.state.block_folder import APPLIED, REFUSED, BlockFolder
from mmsb.state.partition import PartitionState
from tests.state.blocks import MESSAGES, PAGES, PAY
from tests.state.wrong_blocks import WrongBlocks


def claim_of(*pages: PageLayout) -> Claim:
    ordered = tuple(sorted(pages, key=lambda layout: layout.name))
    return Claim(
        bytes(16), b"n" * 16, 1, bytes(32), Durability.PROCESS, Descriptor("duel", 8, ordered, (PAY,), MESSAGES)
    )


class Duel(WrongBlocks):
    """A state, and blocks for it."""

    def __init__(self, rng: Random, window: int, pages: tuple[PageLayout, ...] = PAGES) -> None:
        super().__init__(rng, window, pages)
        self.folder = BlockFolder(self.state)
        self.claim = claim_of(*pages)
        self.seen: Counter[str] = Counter()

    def fold(self, value: bytes) -> None:
        """Both ways must say the same of a block, and leave the same."""
        before = contents(self.state)
        error, after = self.plainly(value)
        assert contents(self.state) == before
        why = self.folder.fold(self.claim, header_of(value), value)
        assert (why == APPLIED) == (error is None), (error, why, value.hex())
        assert why in (APPLIED, REFUSED)
        assert contents(self.state) == (before if error else after)
        self.seen[re.sub(r"\b[0-9a-f]{4,}\b|[0-9]+", "#", str(error)) if error else "applied"] += 1
        if error is None:
            self.first = unpack_block(value).header.last + 1

    def plainly(self, value: bytes) -> tuple[MmsbError | None, tuple[Any, ...]]:
        """What the plain way says of it, and what it would leave; nothing of it stays."""
        self.state.begin()
        try:
            block = unpack_block(value)
            apply_block(self.state, self.claim, block)
            if block.header.digest != self.state.digest.pack():
                raise MmsbError("another digest")
            return None, contents(self.state)
        except MmsbError as error:
            return error, ()
        finally:
            self.state.rollback()

    def with_digest(self, block: Block) -> bytes:
        """The block with the digest to which it leads, if it leads anywhere."""
        self.state.begin()
        with contextlib.suppress(MmsbError, AssertionError, IndexError, ValueError, OverflowError):
            force(self.state, block)
        digest = self.state.digest.pack()
        self.state.rollback()
        return replace(block, header=replace(block.header, digest=digest)).pack()


def header_of(value: bytes) -> BlockHeader:
    header = unpack_block_header(value)
    assert header is not None, "only what is looked at is folded"
    return header


def force(state: PartitionState, block: Block) -> None:
    """Apply what a block says, whatever the rules say of it."""
    first = block.header.first
    for _, clock in block.rises:
        state.advance_clock(max(clock, state.clock))
    for index, row in enumerate(block.outcomes):
        state.settle(first + index, row.status, row.id, row.source)
    for follow_up in block.follow_ups:
        state.count_follow_up(follow_up.target)
    for delta in block.deltas:
        layout = state.layout_of(delta.type_id)
        if layout is None or len(delta.key) != layout.key_size:
            continue
        found = state.read_page(delta.type_id, delta.key)
        body = found[1] if found else bytes(layout.size)
        after = None if delta.kind == DeltaKind.DELETE else apply_change(body, delta.kind, delta.payload)
        if after is not None or found:
            state.write_page(delta.type_id, delta.key, first + delta.index + 1, after)


def contents(state: PartitionState) -> tuple[Any, ...]:
    """All that a state keeps."""
    kept = dict(state._marks), dict(state._sent)
    return sorted(state.pages), list(state._ids), *kept, state.clock, state.digest
