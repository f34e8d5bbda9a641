"""A claim: by it one writer takes a partition over, saying with which code and layouts."""

import enum
import struct
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.descriptors import Descriptor, unpack_descriptor
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.limits import DESCRIPTOR_BYTES_MAX
from mmsb.schemas.tlog.records import MAGIC, REIGN_BYTES, TlogKind, padded_part, padding

HEADER: Final = struct.Struct("<4sHH16s16sQ32sII")
BUNDLE_BYTES: Final = 32


class Durability(enum.IntEnum):
    """What a log promises when it acknowledges. On disk."""

    PROCESS = 0
    FSYNC = 1
    REPLICATED = 2


@dataclass(frozen=True, slots=True)
class ClaimHeader:
    """The part of a claim that decides whether it counts."""

    after: bytes
    nonce: bytes
    generation: int
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """`after` is the reign that it follows, `nonce` the one it opens."""

    after: bytes
    nonce: bytes
    generation: int
    bundle: bytes
    durability: Durability
    descriptor: Descriptor

    def __post_init__(self) -> None:
        if len(self.nonce) != REIGN_BYTES or len(self.after) != REIGN_BYTES or len(self.bundle) != BUNDLE_BYTES:
            raise InvalidValue("claim: expected a nonce and `after` of 16 bytes and a bundle of 32")
        if not any(self.nonce) or self.nonce == self.after:
            raise InvalidValue("claim: a nonce is new and not all zero; take 16 random bytes")
        if not 1 <= self.generation < 2**64:
            raise InvalidValue(f"claim: expected a generation from 1, found {self.generation}")

    def pack(self) -> bytes:
        descriptor = self.descriptor.pack()
        fixed = HEADER.pack(
            MAGIC,
            TlogKind.CLAIM,
            self.durability,
            self.after,
            self.nonce,
            self.generation,
            self.bundle,
            len(descriptor),
            0,
        )
        return fixed + descriptor + padding(descriptor)


def unpack_claim_header(value: bytes) -> ClaimHeader | None:
    """The header alone; None if the value is too short to have one."""
    if len(value) < HEADER.size:
        return None
    _, _, _, after, nonce, generation, bundle, _, _ = HEADER.unpack_from(value)
    return ClaimHeader(after, nonce, generation, bundle)


def unpack_claim(value: bytes) -> Claim:
    if len(value) < HEADER.size:
        raise MalformedBytes("claim", f"at least {HEADER.size} bytes", len(value), 0)
    magic, kind, durability, after, nonce, generation, bundle, size, zero = HEADER.unpack_from(value)
    if magic != MAGIC or kind != TlogKind.CLAIM:
        raise MalformedBytes("claim", "its magic and kind", value[:8].hex(), 0)
    if durability > max(Durability) or zero or size > DESCRIPTOR_BYTES_MAX:
        raise MalformedBytes("claim", "a known durability, a size within DESCRIPTOR_BYTES_MAX and zero", size, 80)
    descriptor = unpack_descriptor(padded_part("claim", value, HEADER.size, size))
    try:
        return Claim(after, nonce, generation, bundle, Durability(durability), descriptor)
    except InvalidValue as error:
        raise MalformedBytes("claim", "valid fields", str(error), 8) from None
