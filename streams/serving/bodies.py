"""Takes the body of a frame apart from its start to its end, trusting nothing."""

import struct
from typing import Any

from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.limits import KEY_BYTES_MAX


class Body:
    """A body that is being read. `what` is what it should be, for messages."""

    def __init__(self, what: str, data: bytes) -> None:
        self._what = what
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at == len(self._data)

    def fixed(self, form: struct.Struct) -> tuple[Any, ...]:
        self._require(form.size)
        values = form.unpack_from(self._data, self._at)
        self._at += form.size
        return values

    def take(self, size: int) -> bytes:
        """As they are, with the padding to 8 behind them."""
        padding = -size % 8
        self._require(size + padding)
        found = self._data[self._at : self._at + size]
        self._at += size
        if padding:
            self.check(not any(self._data[self._at : self._at + padding]), "padding of zeros", "others")
            self._at += padding
        return found

    def key(self, size: int) -> bytes:
        self.check(size % 8 == 0 and 8 <= size <= KEY_BYTES_MAX, f"a key of 8 to {KEY_BYTES_MAX} bytes", size)
        return self.take(size)

    def check(self, holds: bool, expected: str, found: object) -> None:
        if not holds:
            raise MalformedBytes(self._what, expected, found, self._at)

    def end(self) -> None:
        self.check(self.ended, "its end", f"{len(self._data) - self._at} bytes more")

    def _require(self, size: int) -> None:
        left = len(self._data) - self._at
        self.check(size <= left, f"{size} bytes more", left)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)
