"""Raw batches for what is made durable together: intents that follow each other one by one share a batch."""

from collections.abc import Iterable, Iterator, Sequence
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


def parts_of(values: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    """Values in order, as many together as take up to `size` bytes in a batch, or one that takes more."""
    part: list[bytes] = []
    taken = 0
    for value in values:
        taken += len(value) + RECORD_BYTES
        if part and taken > size:
            yield part
            part, taken = [], len(value) + RECORD_BYTES
        part.append(value)
    if part:
        yield part


def _parts(tickets: Sequence[Ticket]) -> Iterator[Intents | list[bytes]]:
    """Columns as they are, and between them as many single intents as fit into a message; a list for whose outcomes
    somebody waits is by itself."""
    singles: list[bytes] = []
    for ticket in tickets:
        if isinstance(ticket.intents, bytes):
            singles.append(ticket.intents)
        elif isinstance(ticket.intents, list) and ticket.settled is None:
            singles += ticket.intents
        else:
            yield from parts_of(singles, SINGLES_BYTES)
            singles = []
            yield ticket.intents
    yield from parts_of(singles, SINGLES_BYTES)
