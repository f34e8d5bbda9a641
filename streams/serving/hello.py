"""The first frame in each direction: both say which protocol they speak, and the owner what runs there."""

import struct
from typing import Final

from mmsb.schemas.descriptors import unpack_descriptor
from mmsb.schemas.errors import MalformedBytes, NewerFormat
from mmsb.schemas.limits import DESCRIPTOR_BYTES_MAX, PARTITIONS_MAX, WINDOW_MAX
from mmsb.schemas.tlog.claims import BUNDLE_BYTES, Durability
from mmsb.schemas.tlog.genesis import LOG_ID_BYTES
from mmsb.streams.door import About
from mmsb.streams.serving.bodies import Body, padded

MAGIC: Final = b"MMS\x01"

_ASKED: Final = struct.Struct("<4sI")  # magic, zero
_FIXED: Final = struct.Struct(f"<4sHHIIQQ{BUNDLE_BYTES}s")


def encode_greeting() -> bytes:
    """What a client begins with."""
    return _ASKED.pack(MAGIC, 0)


def check_greeting(body: bytes) -> None:
    reader = Body("hello", body)
    magic, zero = reader.fixed(_ASKED)
    _check_magic(magic, "connect with the release that runs the folder")
    reader.check(not zero, "zero", zero)
    reader.end()


def encode_about(about: About) -> bytes:
    descriptor = about.descriptor.pack()
    count = about.partition_count
    fixed = _FIXED.pack(
        MAGIC, about.durability, 0, count, len(descriptor), about.generation, about.window, about.bundle
    )
    return fixed + b"".join(about.log_ids) + padded(descriptor)


def decode_about(body: bytes) -> About:
    reader = Body("hello", body)
    magic, durability, zero, count, size, generation, window, bundle = reader.fixed(_FIXED)
    _check_magic(magic, "use the release that runs the folder")
    reader.check(durability <= max(Durability) and not zero, "a known durability, and zero", f"{durability}, {zero}")
    reader.check(1 <= count <= PARTITIONS_MAX, f"1 to {PARTITIONS_MAX} partitions", count)
    reader.check(size <= DESCRIPTOR_BYTES_MAX, f"a descriptor of up to {DESCRIPTOR_BYTES_MAX} bytes", size)
    reader.check(1 <= window <= WINDOW_MAX, f"a window of 1 to {WINDOW_MAX}", window)
    log_ids = tuple(reader.take(LOG_ID_BYTES) for _ in range(count))
    descriptor = unpack_descriptor(reader.take(size))
    reader.end()
    return About(log_ids, descriptor, generation, bundle, Durability(durability), window)


def _check_magic(magic: bytes, advice: str) -> None:
    if magic == MAGIC:
        return
    if magic[:3] == MAGIC[:3]:
        raise NewerFormat(f"socket: expected version {MAGIC[3]} of the protocol, found {magic[3]}; {advice}")
    raise MalformedBytes("hello", repr(MAGIC), magic, 0)
