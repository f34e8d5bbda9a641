"""Where the fields of a converted page come from."""

from dataclasses import dataclass
from typing import cast

from mmsb.schemas.types import Array, FieldType, Integer


@dataclass(frozen=True, slots=True)
class Column:
    """Where a new field's content comes from: a place in the old body, or else (None) a default's bytes."""

    type: FieldType
    stored_as: FieldType
    place: slice | None
    default: bytes = b""

    def read(self, body: bytes) -> bytes:
        stored = self.default if self.place is None else body[self.place]
        if isinstance(self.stored_as, Integer):
            return self.type.pack(self.stored_as.unpack(stored))
        if isinstance(self.stored_as, Array):
            kind = cast(Array, self.type)
            return b"".join(map(kind.element.pack, self.stored_as.unpack(stored))).ljust(kind.size, b"\x00")
        return stored.ljust(self.type.size, b"\x00")
