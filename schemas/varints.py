"""Kafka's varints: zigzag, 7 bits a byte, low bits first (docs/formats.md, section 2).

Each number has one encoding: a longer one, or one of more than 32 (64) bits, is refused.
"""

from typing import Final

from mmsb.schemas.errors import MalformedBytes

VARINT_BITS: Final = 32
VARLONG_BITS: Final = 64


def encode_varint(value: int) -> bytes:
    """A varint or varlong: they differ only in how many bytes they may take."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    if rest < 0x80:
        return bytes((rest,))
    data = bytearray()
    while rest >= 0x80:
        data.append(rest & 0x7F | 0x80)
        rest >>= 7
    data.append(rest)
    return bytes(data)


def read_varint(buffer: bytes | memoryview, at: int, end: int, bits: int = VARINT_BITS) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends; nothing from `end` on is looked at."""
    if at < end and (byte := buffer[at]) < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    return _read_long(buffer, at, end, bits)


def _read_long(buffer: bytes | memoryview, at: int, end: int, bits: int) -> tuple[int, int]:
    rest = shift = 0
    for position in range(at, min(end, at + -(-bits // 7))):
        byte = buffer[position]
        rest |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 or rest >> bits:
                break
            return (rest >> 1) ^ -(rest & 1), position + 1
        shift += 7
    found = bytes(buffer[at : min(end, at + 10)]).hex() or "its end"
    raise MalformedBytes("record batch", f"the shortest varint of at most {bits} bits", found, at)
