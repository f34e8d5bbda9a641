"""From a store's rows to a fold that goes on where they end. Pages are read when they are needed."""

from mmsb.schemas.errors import CorruptState
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from mmsb.state.buckets import Buckets
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Contents, Meta, unpack_meta
from mmsb.state.store import META, Snapshot


def read_meta(store: Snapshot) -> Meta | None:
    """What the rows belong to; None if nothing was ever written."""
    (row,) = store.read([META])
    return None if row is None else unpack_meta(row)


class RestoredFold(ArrayFold):
    """An ArrayFold whose state is known to be one of arrays."""

    state: ArrayState


def restore(store: Snapshot, meta: Meta, budget: int) -> tuple[RestoredFold, Home]:
    """The fold as of the last flush, over a state whose pages are still in the store."""
    state = _state_of(meta)
    home = Home(state, store, budget, meta)
    return RestoredFold.resumed(state, meta.standing), home


def restore_pages(store: Snapshot, meta: Meta, budget: int) -> Home:
    """Pages alone, for who only looks at some: ids and marks are not read."""
    return Home(_state_of(meta), store, budget)


def _state_of(meta: Meta) -> ArrayState:
    state = ArrayState(meta.contents.genesis)
    _fill(state, meta.contents)
    return state


def _fill(state: ArrayState, contents: Contents) -> None:
    for layout in contents.layouts:
        state.add_layout(layout)
    state.clock, state.digest = contents.clock, contents.digest
    for target, count in contents.sent.items():
        state.array_sent[target] = count
    for stored in contents.types:
        found = state.layout_of(stored.type_id)
        if found is None:
            raise CorruptState(f"store: expected a layout of page type {stored.type_id:016x}; restore a checkpoint")
        state.array_pages.of(found).buckets = Buckets.stored(stored.depth, stored.rows, stored.pages)
