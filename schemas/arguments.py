"""An intent's arguments: from either form to the bytes of its layout (docs/formats.md, section 6, rule 7).

Whatever comes in, one form goes on: packed bytes that are known to be right.
"""

import re
from typing import Final

from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.layouts import Field, IntentLayout
from mmsb.schemas.rejections import Code, Op, Refused, Rejection, RejectionValue
from mmsb.schemas.types import Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def packed_arguments(layout: IntentLayout, arguments: bytes) -> bytes:
    """Check arguments that came packed."""
    if len(arguments) != layout.size:
        raise Refused(Rejection(Code.WRONG_SIZE, layout.type_id, value=len(arguments), bound=layout.size))
    problem = layout.problem(arguments, Code.BOUND)
    if problem:
        raise Refused(problem)
    return arguments


def json_arguments(layout: IntentLayout, members: dict[str, JsonValue]) -> bytes:
    """Pack arguments that came as members of a JSON object."""
    for name in members:
        if name not in layout.index_of:
            raise Refused(Rejection(Code.UNKNOWN_FIELD, layout.type_id, value=name.encode()))
    body = bytearray(layout.size)
    for index, field in enumerate(layout.fields):
        body[field.offset : field.end] = _packed_field(layout, index, field, members)
        broken = layout.bound_problem(bytes(body), index, Code.BOUND) if field.name in members else None
        if broken:
            raise Refused(broken)
    return bytes(body)


def _packed_field(layout: IntentLayout, index: int, field: Field, members: dict[str, JsonValue]) -> bytes:
    if field.name in members:
        return JsonField(layout.type_id, index + 1).pack(field.type, members[field.name])
    if field.default is None:
        raise Refused(Rejection(Code.MISSING_FIELD, layout.type_id, index + 1))
    return field.type.pack(field.default)


class JsonField:
    """Packs JSON values for one field, refusing in its name."""

    def __init__(self, type_id: int, number: int) -> None:
        self._type_id = type_id
        self._number = number

    def _refuse(
        self, code: Code, value: RejectionValue = None, bound: RejectionValue = None, op: Op = Op.NONE
    ) -> Refused:
        return Refused(Rejection(code, self._type_id, self._number, value, bound, op))

    def pack(self, kind: FieldType, value: JsonValue) -> bytes:
        if isinstance(kind, Array):
            return self._array(kind, value)
        if isinstance(kind, Integer):
            return self._integer(kind, value)
        if isinstance(kind, Text):
            return self._text(kind, value)
        if isinstance(kind, Blob):
            return self._blob(kind, value)
        if isinstance(kind, Enumeration):
            return self._enumeration(kind, value)
        wanted = bool if isinstance(kind, Boolean) else int | float
        if not isinstance(value, wanted) or (isinstance(value, bool) and isinstance(kind, Float)):
            raise self._refuse(Code.WRONG_TYPE)
        return kind.pack(value)

    def _integer(self, kind: Integer, value: JsonValue) -> bytes:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._refuse(Code.WRONG_TYPE)
        if value < kind.minimum:
            raise self._refuse(Code.OUT_OF_RANGE, value, kind.minimum, Op.GE)
        if value > kind.maximum:
            raise self._refuse(Code.OUT_OF_RANGE, value, kind.maximum, Op.LE)
        return kind.pack(value)

    def _text(self, kind: Text, value: JsonValue) -> bytes:
        if not isinstance(value, str):
            raise self._refuse(Code.WRONG_TYPE)
        data = value.encode()
        if b"\x00" in data:
            raise self._refuse(Code.BAD_TEXT)
        if len(data) > kind.size:
            raise self._refuse(Code.TEXT_TOO_LONG, len(data), kind.size)
        return kind.pack(value)

    def hexadecimal(self, value: JsonValue) -> bytes:
        if not isinstance(value, str):
            raise self._refuse(Code.WRONG_TYPE)
        if not _HEX.fullmatch(value):
            raise self._refuse(Code.BAD_BLOB)
        return bytes.fromhex(value)

    def _blob(self, kind: Blob, value: JsonValue) -> bytes:
        data = self.hexadecimal(value)
        if len(data) != kind.size:
            raise self._refuse(Code.BAD_BLOB)
        return data

    def _enumeration(self, kind: Enumeration, value: JsonValue) -> bytes:
        if not isinstance(value, str):
            raise self._refuse(Code.WRONG_TYPE)
        if value not in dict(kind.members):
            raise self._refuse(Code.BAD_ENUM, value.encode())
        return kind.pack(dict(kind.members)[value])

    def _array(self, kind: Array, value: JsonValue) -> bytes:
        if not isinstance(value, list):
            raise self._refuse(Code.WRONG_TYPE)
        if len(value) != kind.count:
            raise self._refuse(Code.WRONG_SIZE, len(value), kind.count)
        return b"".join(self.pack(kind.element, item) for item in value)
