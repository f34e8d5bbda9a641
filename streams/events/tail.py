"""Whether a consumer has seen everything: one that was at the end and comes again needs no past to be folded for it."""

from typing import Final

from mmsb.processors.intake import read_batches
from mmsb.processors.packed_events import last_event_of
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.schemas.tlog.claims import unpack_claim_header
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.streams.events.source import Cut, Source

LOOKED_BACK: Final = 16
"""Records that are looked at: a claim or two and some blocks without events, but no search through the log."""


def has_seen_all(source: Source, cut: Cut, place: int) -> bool:
    """Whether no event is behind a place and before the cut, as far as the last records say it.

    What counts is told from behind: records of the fold's reign up to its claim, then of the one before it.
    """
    if cut.settled != cut.fold.settled:
        return False  # what is on its way may have events
    reign, settled = cut.fold.reign, cut.fold.settled
    for offset in range(cut.fold.next - 1, max(0, cut.fold.next - 1 - LOOKED_BACK), -1):
        records = read_batches(source.read(offset, 1))
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
                last = last_event_of(value)
                if last is not None:
                    return last <= place
                settled = header.first - 1
    return False
