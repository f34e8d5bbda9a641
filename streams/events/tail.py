"""Whether a consumer has seen everything: one that was at the end and comes again needs no past to be folded for it."""

from collections.abc import Iterator
from typing import Final

from mmsb.processors.intake import read_batches
from mmsb.processors.packed_events import last_event_of
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.tlog.blocks import BlockHeader, unpack_block_header
from mmsb.schemas.tlog.claims import unpack_claim_header
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.streams.events.source import Cut, Source

LOOKED_BACK: Final = 16
"""Records that are looked at: a claim or two and some blocks without events, but no search through the log."""


def has_seen_all(source: Source, cut: Cut, place: int) -> bool:
    """Whether no event is behind a place and before the cut, as far as the last records say it."""
    if cut.settled != cut.fold.settled:
        return False  # what is on its way may have events
    for _, value in blocks_from_behind(source, cut, LOOKED_BACK):
        last = last_event_of(value)
        if last is not None:
            return last <= place
    return False


def blocks_from_behind(source: Source, cut: Cut, records_max: int) -> Iterator[tuple[BlockHeader, bytes]]:
    """The last blocks before a cut, the newest first, that are found among so many records.

    What counts is told from behind: records of the fold's reign up to its claim, then of the one before it.
    """
    reign, settled = cut.fold.reign, cut.fold.settled
    for offset in range(cut.fold.next - 1, max(0, cut.fold.next - 1 - records_max), -1):
        try:
            data = source.read(offset, 1)
        except InvalidValue:
            return  # the log begins behind it
        if not data:
            return  # it was folded, and is not told yet
        records = read_batches(data)
        value = records.value(offset - records.first)
        kind = peek(value)
        if value is None or kind is None:
            continue
        if kind == TlogKind.CLAIM:
            claim = unpack_claim_header(value)
            reign = claim.after if claim is not None and claim.nonce == reign else reign
        elif kind in (TlogKind.BLOCK, TlogKind.QUARANTINE):
            header = unpack_block_header(value)
            if header is not None and header.reign == reign and header.last == settled:
                yield header, value
                settled = header.first - 1
