"""Why an intent may not happen: a code with values, 32 bytes in the TLog (docs/formats.md, section 6).

Codes are on disk: none may ever change its number or meaning.
"""

import enum
import operator
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mmsb.schemas.errors import MalformedBytes


class Code(enum.IntEnum):
    """What is wrong; the name in lower case is what people and JSON see."""

    NONE = 0
    NOT_AN_INTENT = 1
    INTENT_TOO_LARGE = 2
    MALFORMED = 3
    UNKNOWN_VERSION = 4
    METADATA_VERSION = 5
    MALFORMED_METADATA = 6
    TRANSACTIONAL = 7
    FOREIGN_SOURCE = 8
    TOO_MANY_SOURCES = 9
    JSON_SYNTAX = 10
    JSON_ENCODING = 11
    JSON_DUPLICATE_KEY = 12
    JSON_NON_FINITE = 13
    JSON_LONE_SURROGATE = 14
    JSON_DEPTH = 15
    JSON_INTEGER_RANGE = 16
    BAD_MEMBER = 17
    UNKNOWN_TYPE = 20
    WRONG_SIZE = 21
    MISSING_FIELD = 22
    UNKNOWN_FIELD = 23
    WRONG_TYPE = 24
    OUT_OF_RANGE = 25
    BOUND = 26
    BAD_TEXT = 27
    TEXT_TOO_LONG = 28
    BAD_BLOB = 29
    BAD_ENUM = 30
    BAD_BOOL = 31
    BAD_FLOAT = 32
    BAD_PADDING = 33
    PREDICATE = 40
    REFUSED = 41
    OVERFLOW = 42
    DIVISION_BY_ZERO = 43
    NON_FINITE = 44
    STORE_RANGE = 45
    INVARIANT = 46
    INDEX_OUT_OF_RANGE = 47
    STORE_TEXT_TOO_LONG = 48
    HOPS_EXCEEDED = 49
    WRONG_PARTITION = 50
    TOO_LARGE = 51
    TOO_MANY_FOLLOW_UPS = 52
    CONFLICT = 60
    BAD_DELTA = 61
    CONDITION = 62
    BAD_UPSERT = 63


class Op(enum.IntEnum):
    """A comparison, as stored in rejections, upserts and bounds."""

    NONE = 0
    GE = 1
    GT = 2
    LE = 3
    LT = 4
    EQ = 5
    NE = 6

    @property
    def sign(self) -> str:
        return ("", ">=", ">", "<=", "<", "==", "!=")[self]

    def holds(self, left: Any, right: Any) -> bool:
        """Whether `left op right`; the caller guarantees that the two are comparable."""
        return bool(_COMPARE[self](left, right))


_COMPARE: Final[dict[Op, Callable[[Any, Any], Any]]] = {
    Op.GE: operator.ge,
    Op.GT: operator.gt,
    Op.LE: operator.le,
    Op.LT: operator.lt,
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
}

RejectionValue = int | float | bytes | None
"""A number, or the first bytes of a text; None where the code has none."""

_ROW = struct.Struct("<HBBHHQ8s8s")
ROW_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Rejection:
    """One reason. `field` is the field's index + 1 in the type named by `type_id`, 0 for none."""

    code: Code
    type_id: int = 0
    field: int = 0
    value: RejectionValue = None
    bound: RejectionValue = None
    op: Op = Op.NONE
    ordinal: int = 0

    def pack(self) -> bytes:
        kind = _Kind.U64 if self._names_a_type() else _kind(self.value, self.bound)
        value, bound = _bits(kind, self.value), _bits(kind, self.bound)
        return _ROW.pack(self.code, self.op, kind, self.ordinal, self.field, self.type_id, value, bound)

    def _names_a_type(self) -> bool:
        """A type id is shown as one, however small it is."""
        return self.code == Code.UNKNOWN_TYPE and isinstance(self.value, int)


class _Kind(enum.IntEnum):
    NONE = 0
    I64 = 1
    U64 = 2
    F64 = 3
    TEXT = 4


def _kind(value: RejectionValue, bound: RejectionValue) -> _Kind:
    given = [item for item in (value, bound) if item is not None]
    if not given:
        return _Kind.NONE
    if isinstance(given[0], bytes):
        return _Kind.TEXT
    if isinstance(given[0], float):
        return _Kind.F64
    return _Kind.U64 if max(int(item) for item in given) >= 2**63 else _Kind.I64


def _bits(kind: _Kind, value: RejectionValue) -> bytes:
    if value is None:
        return bytes(8)
    if isinstance(value, bytes):
        return value[:8].ljust(8, b"\x00")
    if kind == _Kind.F64:
        return struct.pack("<d", value)
    return (int(value) % 2**64).to_bytes(8, "little")


def unpack_rejection(row: bytes) -> Rejection:
    """Read one row; a code, op or kind that is not known is malformed."""
    code, op, kind, ordinal, field, type_id, value, bound = _ROW.unpack(row)
    try:
        code, op, kind = Code(code), Op(op), _Kind(kind)
    except ValueError:
        found = f"code {code}, op {op}, kind {kind}"
        raise MalformedBytes("rejection", "a known code, op and kind of value", found, 0) from None
    if code == Code.NONE:
        raise MalformedBytes("rejection", "a code", 0, 0)
    rejection = Rejection(code, type_id, field, _value(kind, value), _value(kind, bound), op, ordinal)
    if rejection.pack() != row:
        # A zero value next to a set one reads back as 0, which packs the same; all else must be canonical.
        raise MalformedBytes("rejection", "a canonical row", row.hex(), 16)
    return rejection


def _value(kind: _Kind, bits: bytes) -> RejectionValue:
    if kind == _Kind.NONE:
        return None
    if kind == _Kind.TEXT:
        return bits.rstrip(b"\x00")
    if kind == _Kind.F64:
        number: float = struct.unpack("<d", bits)[0]
        return number
    return int.from_bytes(bits, "little", signed=kind == _Kind.I64)


class Refused(Exception):
    """An intent that may not happen. It never leaves the core: whoever judges the intent catches it."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection)
        self.rejection = rejection
