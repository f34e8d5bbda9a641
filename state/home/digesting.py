"""The digest of all that a store has, from its rows alone: what a checkpoint is trusted by."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import numpy as np

from mmsb.kernels.digest import Digest, clock_term, mark_term, sent_term
from mmsb.kernels.memory import Words
from mmsb.kernels.stepping.settling import digest_ids
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.layouts import PageLayout
from mmsb.state.home.bucket_rows import digest_of, rows_of
from mmsb.state.home.meta import Meta
from mmsb.state.home.restoring import read_meta, restore
from mmsb.state.store import Row, Snapshot, bucket_place, bucket_range

ROWS_AT_ONCE: Final = 2_048

Told = Callable[[int, int], None]
"""Told how many pages were looked at, of how many."""


def digest_store(store: Snapshot, tell: Told = lambda done, total: None) -> tuple[Meta, dict[str, int]]:
    """What the rows say they are, and how many pages of each type there are; raises CorruptState unless it is true."""
    meta = read_meta(store)
    if meta is None:
        raise CorruptState("store: expected a meta row, found none; nothing was ever flushed into it")
    fold, _ = restore(store, meta, 0)
    state = fold.state
    total = sum(stored.pages for stored in meta.contents.types)
    digest, counts, done = clock_term(state.clock), dict[str, int](), 0
    for stored in meta.contents.types:
        layout = state.layout_of(stored.type_id)
        assert layout is not None, "a state is not restored without its layouts"
        counts[layout.name] = 0
        for terms, count in _pages(store, layout, state.array_pages.salt):
            digest += terms
            counts[layout.name] += count
            tell(done := done + count, total)
    ids: Words = np.zeros(2, np.uint64)
    digest_ids(state.array_ids.window, ids)
    digest += Digest(*ids.tolist())
    for (kind, source), number in state.array_marks.items():
        digest += mark_term(kind, source, number)
    for target, count in state.array_sent.items():
        digest += sent_term(target, count)
    if digest != meta.contents.digest:
        raise CorruptState(
            f"store: expected rows with the digest {meta.contents.digest.pack().hex()}, as its meta row says, found "
            f"{digest.pack().hex()}; use another checkpoint"
        )
    if done != total:
        raise CorruptState(f"store: expected {total} pages, as its meta row says, found {done}; use another checkpoint")
    return meta, counts


def _pages(store: Snapshot, layout: PageLayout, salt: np.uint64) -> Iterator[tuple[Digest, int]]:
    rows: Iterator[Row] = store.rows(*bucket_range(layout.type_id))
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield digest_of(layout, salt, rows_of([value for _, value in some]), [bucket_place(key) for key, _ in some])
