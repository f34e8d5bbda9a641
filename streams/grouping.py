"""Raw batches for what is made durable together: intents that follow each other one by one share a batch."""

from collections.abc import Iterator, Sequence
from typing import Final

from mmsb.processors.batching import MESSAGE_BYTES, Intents, RawBatch, batch_of
from mmsb.streams.tickets import Ticket

RECORD_BYTES: Final = 32  # at most what a record takes in its batch besides its value
SINGLES_BYTES: Final = MESSAGE_BYTES - 64  # without the header


def batches_of(tickets: Sequence[Ticket], first: int, time_ms: int) -> list[RawBatch]:
    """The batches of a group, from offset `first` on."""
    made: list[RawBatch] = []
    for part in _parts(tickets):
        if isinstance(part, Intents):
            made += part.batches(first, time_ms)
        else:
            made.append(RawBatch(first, len(part), batch_of(part, first, time_ms)))
        first += len(part)
    return made


def _parts(tickets: Sequence[Ticket]) -> Iterator[Intents | list[bytes]]:
    """Columns as they are, and between them as many single intents as fit into a message."""
    singles: list[bytes] = []
    size = 0
    for ticket in tickets:
        if isinstance(ticket.intents, Intents):
            if singles:
                yield singles
            yield ticket.intents
            singles, size = [], 0
            continue
        for value in [ticket.intents] if isinstance(ticket.intents, bytes) else ticket.intents:
            size += len(value) + RECORD_BYTES
            if singles and size > SINGLES_BYTES:
                yield singles
                singles, size = [], len(value) + RECORD_BYTES
            singles.append(value)
    if singles:
        yield singles
