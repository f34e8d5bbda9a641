"""Rejection rows: formats.md, section 6."""

import struct
from dataclasses import dataclass
from typing import Any

from tests.model.constants import CODE_NAMES, CODES, I64_MAX, OPS

FORMAT = "<HBBHHQ8s8s"


def scalar_kind(*values: Any) -> int:
    """0 none, 1 i64, 2 u64, 3 f64, 4 text: one kind for a value and its bound."""
    given = [v for v in values if v is not None]
    if not given:
        return 0
    if any(isinstance(v, str) for v in given):
        return 4
    if any(isinstance(v, float) for v in given):
        return 3
    return 2 if any(v > I64_MAX for v in given) else 1


def scalar_bytes(kind: int, value: Any) -> bytes:
    if value is None:
        return bytes(8)
    if kind == 4:
        return value.encode()[:8].ljust(8, b"\0")
    if kind == 3:
        return struct.pack("<d", value)
    return (int(value) % 2**64).to_bytes(8, "little")


@dataclass(frozen=True)
class Row:
    code: int
    op: int
    kind: int
    ordinal: int
    field: int  # index + 1
    type_id: int
    value: bytes
    bound: bytes

    def encode(self) -> bytes:
        return struct.pack(
            FORMAT, self.code, self.op, self.kind, self.ordinal, self.field, self.type_id, self.value, self.bound
        )

    @property
    def name(self) -> str:
        return CODE_NAMES[self.code]


def decode_row(data: bytes) -> Row:
    row = Row(*struct.unpack(FORMAT, data))
    if row.code not in CODE_NAMES or row.op > 6 or row.kind > 4:
        raise ValueError(f"a rejection of code {row.code}, op {row.op}, kind {row.kind}")
    if row.kind == 0 and (row.value != bytes(8) or row.bound != bytes(8)):
        raise ValueError("a value or a bound of no kind")
    large = any(int.from_bytes(number, "little") > I64_MAX for number in (row.value, row.bound))
    if row.kind == 2 and not large and row.name != "unknown_type":
        raise ValueError("a u64 that an i64 could be")
    if row.kind == 1 and row.name == "unknown_type":
        raise ValueError("a type id as an i64")
    return row


class Rejected(Exception):
    """An intent is rejected, with this row."""

    def __init__(self, row: Row) -> None:
        super().__init__(CODE_NAMES[row.code])
        self.row = row


def rejected(
    name: str,
    *,
    type_id: int = 0,
    field: int = 0,
    ordinal: int = 0,
    op: str | int = 0,
    value: Any = None,
    bound: Any = None,
    kind: int | None = None,
) -> Rejected:
    """`field` is the index + 1, as in the row."""
    if kind is None:
        kind = scalar_kind(value, bound)
    number = OPS[op] if isinstance(op, str) else op
    value_bytes, bound_bytes = scalar_bytes(kind, value), scalar_bytes(kind, bound)
    return Rejected(Row(CODES[name], number, kind, ordinal, field, type_id, value_bytes, bound_bytes))
