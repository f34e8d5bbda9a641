"""Records of the TLog, encoded and decoded with every check that needs no state: formats.md, section 10."""

import struct
from dataclasses import dataclass

from blake3 import blake3

from tests.model import constants
from tests.model.layout import padded

GENESIS, CLAIM, BLOCK, MIGRATE, QUARANTINE = 1, 2, 3, 4, 5
FIXED = {GENESIS: 40, CLAIM: 88, BLOCK: 152, MIGRATE: 112, QUARANTINE: 152}
KEYS = {GENESIS: b"genesis", CLAIM: b"claim", BLOCK: b"block", MIGRATE: b"migrate", QUARANTINE: b"quarantine"}
NAME_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Invalid(ValueError):
    """The body of a record is not what an encoder writes."""


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Invalid(what)


def chain(head: bytes, key: bytes | None, value: bytes) -> bytes:
    length = 2**64 - 1 if key is None else len(key)
    return blake3(head + length.to_bytes(8, "little") + (key or b"") + value).digest()


def kind_of(value: bytes) -> int:
    return struct.unpack_from("<H", value, 4)[0]


# Genesis and claim


@dataclass(frozen=True)
class Genesis:
    log_id: bytes
    partitions: int
    partition: int
    window: int
    app: str

    def encode(self) -> bytes:
        name = self.app.encode()
        head = struct.pack("<4sHH16sIIII", b"MMT\x01", GENESIS, 0, self.log_id, self.partitions, self.partition,
                           self.window, len(name))  # fmt: skip
        return head + padded(name)


def decode_genesis(value: bytes) -> Genesis:
    require(len(value) >= FIXED[GENESIS], "size")
    magic, kind, zero, log_id, partitions, partition, window, size = struct.unpack_from("<4sHH16sIIII", value)
    require(magic == b"MMT\x01" and kind == GENESIS and zero == 0, "header")
    require(log_id != bytes(16) and 1 <= partitions <= constants.PARTITIONS_MAX and partition < partitions, "numbers")
    require(1 <= window <= constants.WINDOW_MAX and 1 <= size <= constants.APP_NAME_BYTES_MAX, "window or name")
    name = value[40 : 40 + size]
    require(len(name) == size and all(byte in NAME_BYTES for byte in name), "name")
    require(value[40:] == padded(name), "padding")
    return Genesis(log_id, partitions, partition, window, name.decode())


@dataclass(frozen=True)
class Claim:
    after: bytes
    nonce: bytes
    generation: int
    bundle: bytes
    descriptor: bytes
    durability: int = 0

    def encode(self) -> bytes:
        head = struct.pack("<4sHH16s16sQ32sII", b"MMT\x01", CLAIM, self.durability, self.after, self.nonce,
                           self.generation, self.bundle, len(self.descriptor), 0)  # fmt: skip
        return head + padded(self.descriptor)


def claim_header(value: bytes) -> Claim:
    _, _, durability, after, nonce, generation, bundle, _, _ = struct.unpack_from("<4sHH16s16sQ32sII", value)
    return Claim(after, nonce, generation, bundle, b"", durability)


def decode_claim(value: bytes) -> Claim:
    head = claim_header(value)
    size, zero = struct.unpack_from("<II", value, 80)
    require(head.durability <= 2 and zero == 0 and head.generation >= 1, "durability, zero or generation")
    require(head.nonce not in (bytes(16), head.after), "nonce")
    require(1 <= size <= constants.DESCRIPTOR_BYTES_MAX, "descriptor size")
    descriptor = value[88 : 88 + size]
    require(len(descriptor) == size and value[88:] == padded(descriptor), "size or padding")
    return Claim(head.after, head.nonce, head.generation, head.bundle, descriptor, head.durability)


# What blocks, quarantines and migrations share


@dataclass(frozen=True)
class Header:
    """Bytes 8 to 104."""

    reign: bytes
    prev: bytes
    first: int
    last: int
    clock: int
    digest: tuple[int, int]
    checksum: int

    def encode(self, kind: int) -> bytes:
        return struct.pack("<4sHH16s32sqqqQQQ", b"MMT\x01", kind, 0, self.reign, self.prev, self.first, self.last,
                           self.clock, *self.digest, self.checksum)  # fmt: skip


def decode_header(value: bytes) -> Header:
    reign, prev, first, last, clock, low, high, checksum = struct.unpack_from("<16s32sqqqQQQ", value, 8)
    return Header(reign, prev, first, last, clock, (low, high), checksum)


# Migrate


@dataclass(frozen=True)
class Migrate:
    header: Header
    steps: bytes  # canonical JSON

    def encode(self) -> bytes:
        return self.header.encode(MIGRATE) + struct.pack("<II", len(self.steps), 0) + padded(self.steps)


def decode_migrate(value: bytes) -> Migrate:
    header = decode_header(value)
    size, zero = struct.unpack_from("<II", value, 104)
    require(value[6:8] == b"\0\0" and zero == 0 and header.checksum == 0, "zero or checksum")
    require(len(value) <= constants.BLOCK_BYTES_MAX, "size")
    steps = value[112 : 112 + size]
    require(len(steps) == size and value[112:] == padded(steps), "size or padding")
    return Migrate(header, steps)
