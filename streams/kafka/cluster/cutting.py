"""What brokers send of a partition, cut where whole batches end: they fill an answer up to its last byte."""

import struct
from typing import Final

from mmsb.schemas.errors import CorruptState
from mmsb.streams.kafka.cluster.broker import TopicPartition

_HEADER: Final = struct.Struct(">qi")
_HEADER_BYTES: Final = 61
_MAGIC_AT: Final = 16
_MAGIC: Final = 2
_DELTA: Final = struct.Struct(">i")
_DELTA_AT: Final = 23


def whole_batches(at: TopicPartition, data: bytes, offset: int, *, gaps: bool = False) -> tuple[bytes, int]:
    """What is whole of some bytes that were fetched from an offset on, and the offset after it.

    Raises CorruptState if the batches are not in the format of Kafka 0.11, or leave something out; with `gaps` they
    may leave something out between them, as compaction does.
    """
    end, position, last = len(data), 0, offset
    while position + _HEADER_BYTES <= end:
        base, length = _HEADER.unpack_from(data, position)
        after = position + _HEADER.size + length
        if after > end:
            break
        if data[position + _MAGIC_AT] != _MAGIC or length < _HEADER_BYTES - _HEADER.size:
            raise CorruptState(
                f"{at}: expected a batch of format {_MAGIC} at offset {last}, found format "
                f"{data[position + _MAGIC_AT]} in {length} bytes; look into the broker's log with kafka-dump-log"
            )
        following = base + _DELTA.unpack_from(data, position + _DELTA_AT)[0] + 1
        if (base > last and not gaps) or following <= last or (base < last and position):
            raise CorruptState(
                f"{at}: expected the record of offset {last}, found a batch from {base} to {following - 1}: records "
                "are missing or twice there; the topic must have cleanup.policy=delete, and nothing else may rewrite it"
            )
        last = following
        position = after
    return (data if position == end else data[:position]), last
