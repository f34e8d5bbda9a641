"""How an application's topics begin: record 0 of each TLog, written by whoever comes first.

Several may come at once. What is at offset 0 counts, and a later genesis is discarded by every fold, so each writes
one where it finds none, and reads what is there.
"""

from typing import Final

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.processors.writer import Entry
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.streams.beginning import Wanted
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.opening import encode_entry
from mmsb.streams.world import World

GENESIS_SECONDS: Final = 10.0


async def begin(world: World, broker: Broker, at: TopicPartition, wanted: Wanted) -> Genesis | None:
    """The genesis of a TLog, written if there is none. None if it was trimmed: then the homes have it."""
    while (await broker.span(at)).end == 0:
        entry = Entry(TlogKind.GENESIS.key, wanted.genesis(world.nonce()).pack())
        await broker.append(at, encode_entry(entry, 0, world.time_ms()), GENESIS_SECONDS)
    batches = await first_batches(broker, at)
    if not batches:
        return None
    value = read_batches(batches[0].data).value(0)
    if value is None or peek(value) != TlogKind.GENESIS:
        raise CorruptState(f"{at}: expected a genesis at offset 0, found something else; this is no TLog of MMSB")
    genesis = unpack_genesis(value)
    wanted.check(genesis)
    return genesis


async def first_batches(broker: Broker, at: TopicPartition) -> list[RawBatch]:
    """The batch with record 0; none if that was trimmed."""
    if (await broker.span(at)).first > 0:
        return []
    following = broker.follow(at, 0, "tlog")
    try:
        return local_form((await following.take()).data)[:1]
    finally:
        following.close()
