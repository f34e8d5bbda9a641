"""Which partition a key belongs to: what Kafka's Java client would say (docs/formats.md, section 1).

Every producer must agree, in any language, so this can never change.
"""

from collections.abc import Sequence
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2, as an unsigned number."""
    state = _SEED ^ len(data)
    body = len(data) & ~3
    for at in range(0, body, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        word = (word ^ word >> 24) * _M & _MASK
        state = (state * _M & _MASK) ^ word
    if body < len(data):
        state = (state ^ int.from_bytes(data[body:], "little")) * _M & _MASK
    state = (state ^ state >> 13) * _M & _MASK
    return state ^ state >> 15


def partition_of(key_parts: Sequence[bytes], count: int) -> int:
    """The partition, of `count`, of the components that `partition_by` names, each as bytes.

    One component stands for itself, so that Kafka's own partitioner agrees; several carry their lengths, so that
    no two different keys look alike.
    """
    if len(key_parts) == 1:
        data = key_parts[0]
    else:
        data = b"".join(len(part).to_bytes(4, "little") + part for part in key_parts)
    return (murmur2(data) & 0x7FFFFFFF) % count
