"""Changes as whoever asks is told them: a page's deltas with what their blocks say of the intents behind them."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.past import outcomes, sections
from mmsb.processors.intake import Bytes
from mmsb.schemas.deltas import DeltaKind
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.events import EventKind
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.sources import SOURCE_BYTES, unpack_source
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_SOURCE, ID_BYTES
from mmsb.streams.past.catalog import Catalog
from mmsb.streams.past.changes import Change
from mmsb.streams.past.growing import BlockPlace
from mmsb.streams.past.lives import Told
from mmsb.streams.past.outcomes import read_metadata
from mmsb.streams.past.walking import Steps

_MASK_BITS: Final = 64
_U64: Final = 2**64 - 1
_CHECK_AT: Final = np.uint64(48)  # in the second word of an entry: how the outcome is known again
_CLOCK: Final = BlockPlace._fields.index("clock")
_TLOG: Final = BlockPlace._fields.index("tlog")
_METADATA: Final = BlockPlace._fields.index("metadata")


def changes_of(catalog: Catalog, key: bytes, told: Told) -> list[Change]:
    """One for each delta, in their order."""
    steps, layout = told.steps, told.steps.stretch.layout
    known, memory = _outcomes(catalog, steps), catalog.memory(steps.part)
    masks, partition = _masks(layout, told), catalog.outline.genesis.partition
    blocks = steps.blocks[_TLOG].tolist()
    deltas = zip(steps.offsets.tolist(), steps.bases.tolist(), steps.kinds.tolist(), blocks, strict=True)
    found: list[Change] = []
    for at, ((offset, base, kind, tlog), outcome) in enumerate(zip(deltas, known.T.tolist(), strict=True)):
        claim, deleted = catalog.outline.reign_at(tlog), kind == DeltaKind.DELETE
        change = Change(
            kind=_kind(kind, base),
            partition=partition,
            offset=offset,
            page_type=layout.type_id,
            key=key,
            epoch=0 if deleted else offset + 1,
            before=base,
            mask=masks[at].tobytes(),
            body=b"" if deleted else told.bodies[at + 1].tobytes(),
            tlog=tlog,
            generation=claim.generation,
            bundle=claim.bundle,
            **_about(memory, outcome),
        )
        found.append(change)
    return found


def _about(memory: Bytes, outcome: list[int]) -> dict[str, Any]:
    """Who asked, when and why."""
    _, flags, intent, clock, id_at, source_at, metadata_at, metadata, ordinal = outcome
    return {
        "ordinal": ordinal,
        "time": clock,
        "intent_type": intent & _U64 if flags & outcomes.KNOWN else None,
        "id": memory[id_at : id_at + ID_BYTES].tobytes() if flags & HAS_ID else None,
        "source": unpack_source(memory[source_at : source_at + SOURCE_BYTES].tobytes()) if flags & HAS_SOURCE else None,
        "metadata": read_metadata(memory[metadata_at : metadata_at + metadata].tobytes()),
    }


def _kind(kind: int, base: int) -> EventKind:
    if kind == DeltaKind.DELETE:
        return EventKind.DELETED
    return EventKind.CHANGED if base else EventKind.CREATED


def _outcomes(catalog: Catalog, steps: Steps) -> Any:
    """As mmsb.kernels.past.outcomes has them."""
    known: Any = np.empty((outcomes.ROWS, len(steps)), np.int64)
    plan, seen = np.empty(sections.WORDS, np.int64), np.empty(outcomes.SEEN, np.int64)
    blocks = steps.blocks
    outcomes.read_outcomes(
        catalog.memory(steps.part), steps.starts, np.ascontiguousarray(blocks[_CLOCK]),
        np.ascontiguousarray(blocks[_METADATA]), steps.rows, steps.notes >> _CHECK_AT, plan, seen, known,
    )  # fmt: skip
    damaged = np.flatnonzero(known[outcomes.STATUS] != outcomes.READ)
    if len(damaged):
        place = steps.place(int(damaged[0]))
        catalog.read(steps.part, place)
        raise CorruptState(
            f"TLog offset {place.tlog}: expected the outcome that the page index was made of, found another; remove "
            f"the file {steps.part.base:020}.pages, and run `mmsb verify` on the data folder"
        )
    return known


def _masks(layout: PageLayout, told: Told) -> Words:
    """mmsb.schemas.events.field_mask of each."""
    count = len(told.steps)
    masks: Words = np.zeros((count, -(-len(layout.fields) // _MASK_BITS)), np.uint64)
    created, kept = told.steps.bases == 0, ~told.deletes
    for index, field in enumerate(layout.fields):
        bytes_ = told.bodies[:, field.offset : field.end]
        touched = ((bytes_[1:] != bytes_[:-1]).any(axis=1) | created) & kept
        masks[:, index // _MASK_BITS] |= touched.astype(np.uint64) << np.uint64(index % _MASK_BITS)
    return masks
