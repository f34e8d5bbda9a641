"""Metadata blocks: formats.md, section 3."""

import struct

from tests.model.constants import ACTOR_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from tests.model.layout import padded

ACTOR, REASON, CORRELATION, CAUSATION, TRACE = 1, 2, 3, 4, 5
TEXT_LIMITS = {ACTOR: ACTOR_BYTES_MAX, REASON: REASON_BYTES_MAX, TRACE: TRACE_BYTES_MAX}
Entries = dict[int, bytes]


class BadMetadata(ValueError):
    def __init__(self, version: int | None = None) -> None:
        super().__init__(f"metadata of version {version}" if version is not None else "malformed metadata")
        self.version = version


def encode(entries: Entries) -> bytes:
    """No entries give no bytes."""
    if not entries:
        return b""
    body = b"".join(padded(struct.pack("<HH", tag, len(entries[tag])) + entries[tag]) for tag in sorted(entries))
    return struct.pack("<HHI", 1, len(entries), 8 + len(body)) + body


def good_text(content: bytes, limit: int) -> bool:
    if not 1 <= len(content) <= limit or b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode(block: bytes) -> Entries:
    if len(block) < 2:
        raise BadMetadata
    (version,) = struct.unpack_from("<H", block)
    if version != 1:
        raise BadMetadata(version)
    if len(block) < 8:
        raise BadMetadata
    count, size = struct.unpack_from("<HI", block, 2)
    if count < 1 or size != len(block):
        raise BadMetadata
    entries: Entries = {}
    at, before = 8, 0
    for _ in range(count):
        if at + 4 > len(block):
            raise BadMetadata
        tag, length = struct.unpack_from("<HH", block, at)
        content = block[at + 4 : at + 4 + length]
        end = at + len(padded(bytes(4 + length)))
        if (
            tag <= before
            or tag > TRACE
            or len(content) < length
            or end > len(block)
            or any(block[at + 4 + length : end])
        ):
            raise BadMetadata
        if tag in TEXT_LIMITS and not good_text(content, TEXT_LIMITS[tag]):
            raise BadMetadata
        if tag in (CORRELATION, CAUSATION) and length != 16:
            raise BadMetadata
        entries[tag] = content
        at, before = end, tag
    if at != len(block):
        raise BadMetadata
    return entries
