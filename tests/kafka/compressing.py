"""Batches as producers compress them, for each codec in the framings that producers use."""

import gzip
import struct
from collections.abc import Callable
from typing import Any

import cramjam
import zstandard
from crc32c import crc32c

_modules: Any = cramjam

XERIAL = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
LZ4_FRAME = b"\x04\x22\x4d\x18\x60\x40\x82"  # version 1, blocks that know nothing of each other, of 64 KiB at most
BLOCK_BYTES = 32 * 1024  # Java's, for both


def _blocks(data: bytes, order: str, compress: Callable[[bytes], bytes]) -> bytes:
    blocks = [bytes(compress(data[at : at + BLOCK_BYTES])) for at in range(0, len(data), BLOCK_BYTES)]
    return b"".join(struct.pack(f"{order}I", len(block)) + block for block in blocks)


def xerial(data: bytes) -> bytes:
    return XERIAL + _blocks(data, ">", _modules.snappy.compress_raw)


def snappy(data: bytes) -> bytes:
    return bytes(_modules.snappy.compress_raw(data))


def lz4(data: bytes) -> bytes:
    return LZ4_FRAME + _blocks(data, "<", lambda block: _modules.lz4.compress_block(block, store_size=False)) + bytes(4)


def zstd(data: bytes) -> bytes:
    """In a frame that does not say how large its content is, as Java writes them."""
    compressing = zstandard.ZstdCompressor().compressobj()
    return compressing.compress(data) + compressing.flush()


FRAMINGS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "gzip": (1, gzip.compress),
    "snappy": (2, snappy),
    "xerial": (2, xerial),
    "lz4": (3, lz4),
    "zstd": (4, zstd),
}
"""How a producer calls it: the number in a batch's attributes, and what does it."""


def sealed(batch: bytes) -> bytes:
    """A batch with the length and the checksum that it needs."""
    data = bytearray(batch)
    struct.pack_into(">i", data, 8, len(data) - 12)
    struct.pack_into(">I", data, 17, crc32c(data[21:]))
    return bytes(data)


def compressed(batch: bytes, framing: str) -> bytes:
    """The same batch, its records compressed."""
    codec, compress = FRAMINGS[framing]
    return with_content(batch, codec, compress(batch[61:]))


def with_content(batch: bytes, codec: int, content: bytes) -> bytes:
    attributes = struct.unpack_from(">h", batch, 21)[0] & ~7 | codec
    return sealed(batch[:21] + struct.pack(">h", attributes) + batch[23:61] + content)
