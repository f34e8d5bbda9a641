"""Frames: what goes over the socket in both directions, and how a stream of bytes is cut into them.

A frame is a head of 16 bytes and a body, padded to 8. It belongs to the request whose number it carries; the answer to
a request is one frame or several, of the request's kind or a fault, the last of them marked. Nothing here does IO.
"""

import enum
import struct
from typing import Final, NamedTuple

from mmsb.schemas.errors import MalformedBytes

FRAME_BYTES_MAX: Final = 4 << 20  # of a body; on the wire
LAST: Final = 1  # flag: nothing more comes for this request

HEAD: Final = struct.Struct("<IHHQ")  # size of the body, kind, flags, request number


class Kind(enum.IntEnum):
    """On the wire. A request's number; its answer has the same, unless it is a fault."""

    HELLO = 1
    SUBMIT = 2  # until settled
    SUBMIT_LOGGED = 3
    SUBMIT_MANY = 4
    GET = 5
    SCAN = 6
    HISTORY = 7
    BLAME = 8
    EVENTS = 9
    STATS = 10
    CREDIT = 11  # never answered
    CANCEL = 12  # never answered: the request that it names is
    FAULT = 13  # the owner's alone
    CHECKPOINT = 14
    SUBMIT_VALUES = 15


_KINDS: Final = frozenset(Kind)


class Frame(NamedTuple):
    kind: int
    last: bool
    request: int
    body: bytes


def encode_frame(kind: Kind, request: int, body: bytes = b"", *, last: bool = True) -> bytes:
    size = len(body)
    assert size <= FRAME_BYTES_MAX, "whoever makes a body knows the limit"
    return HEAD.pack(size, kind, LAST if last else 0, request) + body + bytes(-size % 8)


class Splitter:
    """Cuts what arrives into frames. What cannot be one raises MalformedBytes, after which nothing more can be read."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed = HEAD.size  # bytes from the next frame's start on, before it is worth looking

    def feed(self, data: bytes) -> list[Frame]:
        if self._pieces or len(data) < self._needed:
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return []
            data = b"".join(self._pieces)
            self._pieces, self._held = [], 0
        frames: list[Frame] = []
        rest = self._cut(data, frames)
        if rest < len(data):
            self._pieces, self._held = [data[rest:]], len(data) - rest
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> int:
        """Append the whole frames; gives where the rest begins."""
        at, end = 0, len(data)
        while end - at >= HEAD.size:
            size, kind, flags, request = HEAD.unpack_from(data, at)
            if size > FRAME_BYTES_MAX or kind not in _KINDS or flags > LAST:
                raise _wrong_head(size, kind, flags)
            body_at = at + HEAD.size
            body_end = body_at + size
            next_at = body_end + -size % 8
            if next_at > end:
                self._needed = next_at - at
                return at
            if next_at > body_end and any(data[body_end:next_at]):
                raise MalformedBytes("frame", "padding of zeros", data[body_end:next_at].hex(), body_end - at)
            frames.append(Frame(kind, flags == LAST, request, data[body_at:body_end]))
            at = next_at
        self._needed = HEAD.size
        return at


def _wrong_head(size: int, kind: int, flags: int) -> MalformedBytes:
    if size > FRAME_BYTES_MAX:
        return MalformedBytes("frame", f"a body of up to FRAME_BYTES_MAX = {FRAME_BYTES_MAX} bytes", size, 0)
    if kind not in _KINDS:
        return MalformedBytes("frame", f"a kind from 1 to {max(Kind)}", kind, 4)
    return MalformedBytes("frame", "flags 0 or 1", flags, 6)
