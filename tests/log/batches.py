"""Batches to fill logs with, each different from every other."""

from random import Random

from mmsb.schemas.batches import Record, decode_batches, encode_batch


def make_batch(first: int, count: int = 1, size: int = 8, seed: int = 0) -> bytes:
    random = Random(f"{seed} {first} {count} {size}")
    return encode_batch(first, [Record(None, random.randbytes(size), 1_700_000_000_000) for _ in range(count)])


def offsets_of(data: bytes) -> tuple[int, int]:
    """The first offset of some batches, and the one after the last; checks them on the way."""
    batches = decode_batches(data)
    return batches[0].first, batches[-1].last + 1
