"""What the end of an output topic's partition says: how far whoever published before us came.

A record that somebody else put there is passed over, and so is what came of a log that had this one's name before.
"""

from typing import Final

from mmsb.processors.intake import read_batches
from mmsb.processors.outputs import Place, read_mark
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.broker import Broker, Gone, Span, TopicPartition

FARTHER: Final = 64
"""So many times farther from the end is looked, each time nothing was found."""


async def last_place(broker: Broker, at: TopicPartition, genesis: Genesis) -> Place | None:
    """The greatest place among the last records; everything before it is there, too. None if there is no such record.

    It may not be the last record's: an append that was given up, and came late, repeats what was there.
    """
    count = 1
    while True:
        span = await broker.span(at)
        first = max(span.first, span.end - count)
        try:
            found = await _greatest(broker, at, first, span, genesis)
        except Gone:
            continue  # retention went on meanwhile
        if found is not None or first == span.first:
            return found
        count *= FARTHER


async def _greatest(broker: Broker, at: TopicPartition, first: int, span: Span, genesis: Genesis) -> Place | None:
    found: list[Place] = []
    following = broker.follow(at, first, f"tail {at}")
    try:
        while first < span.end:
            for batch in local_form((await following.take()).data):
                first = batch.first + batch.count
                records = read_batches(batch.data)
                marks = (read_mark(records, index, genesis) for index in range(len(records)))
                found += [mark for mark in marks if mark is not None]
    finally:
        following.close()
    return max(found, default=None)
