"""Whether an intents topic is the one whose intents a TLog settles, and where a mirror of it begins."""

from mmsb.processors.intake import checksum, read_batches
from mmsb.schemas.errors import CorruptState
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.opening import Opened


async def begin_mirror(broker: Broker, at: TopicPartition, opened: Opened) -> None:
    """Have a mirror that has no intents begin with the batch that holds the first which is not settled.

    Those before it are in the topic, and settled. Another may have left off within the batch.
    """
    first = opened.fold.settled + 1
    if (await broker.span(at)).end > first:
        following = broker.follow(at, first, "intents")
        try:
            first = local_form((await following.take()).data)[0].first
        finally:
            following.close()
    opened.intents.begin_at(first)


async def check_last_block(broker: Broker, at: TopicPartition, opened: Opened) -> None:
    """That the topic has the intents that the last block settled: else it is another, or has lost them."""
    block = opened.fold.last_block
    if block is None:
        return
    first, end = await broker.span(at)
    if block.first < first:
        return  # what retention has removed is no loss: it is settled
    if end <= block.last:
        raise CorruptState(
            f"{at}: expected the intents up to offset {block.last}, which the TLog settles, found offsets up to "
            f"{end - 1}: the topic was made anew, or the brokers have lost records; an operator has to decide"
        )
    found = await _checksum(broker, at, block.first, block.last)
    if found != block.checksum:
        raise CorruptState(
            f"{at}: expected the intents {block.first} to {block.last} to have the checksum {block.checksum:016x}, "
            f"as the block that settles them says, found {found:016x}: the topic was made anew, or it is another"
        )


async def _checksum(broker: Broker, at: TopicPartition, first: int, last: int) -> int:
    following, data = broker.follow(at, first, "intents"), list[bytes]()
    try:
        end = first
        while end <= last:
            for batch in local_form((await following.take()).data):
                if batch.first + batch.count > end and batch.first <= last:
                    data.append(bytes(batch.data))
                end = max(end, batch.first + batch.count)
    finally:
        following.close()
    records = read_batches(b"".join(data))
    return checksum(records.slice(first - records.first, last + 1 - records.first))
