"""Values, layouts, keys, type ids and partitions: formats.md, section 1."""

import math
import operator
import re
import struct
from typing import Any

from blake3 import blake3

from tests.model.bundle import Field, Intent, Page
from tests.model.constants import GE, GT, INTEGER_RANGES, LE, LT

SIZES = {
    "i8": 1, "i16": 2, "i32": 4, "i64": 8, "u8": 1, "u16": 2, "u32": 4, "u64": 8,
    "time": 8, "f64": 8, "bool": 1, "enum": 2,
}  # fmt: skip
COMPARE = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
OP_NUMBER = {"ge": GE, "gt": GT, "le": LE, "lt": LT}


def blake3_16(data: bytes) -> bytes:
    return blake3(data).digest()[:16]


def blake3_8(data: bytes) -> int:
    return int.from_bytes(blake3(data).digest()[:8], "little")


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 8)


def round_up(size: int, to: int = 8) -> int:
    return -(-size // to) * to


class FieldLayout:
    """One field: where it stands, and how its values become bytes."""

    def __init__(self, field: Field, index: int, offset: int) -> None:
        self.name, self.type, self.index = field.name, field.type, index
        self.bounds, self.members = field.bounds, dict(field.members)
        self.member_names = {number: name for name, number in field.members}
        self.field = field
        match = re.fullmatch(r"(\w+)(?:\((\d+)\)|\[(\d+)\])?", field.type)
        assert match, field.type
        self.base = match[1]  # "text", "blob", "enum", or the number's type
        self.width = int(match[2] or 0)  # of a text or blob
        self.length = int(match[3] or 0)  # of an array; 0 for all others
        unit = 1 if self.base in ("text", "blob") else SIZES[self.base]
        self.offset = round_up(offset, unit)
        self.size = self.width or unit * (self.length or 1)
        self.default = self.zero() if field.default is None else field.default
        self.required = field.default is None

    def zero(self) -> Any:
        if self.length:
            return (self._zero(),) * self.length
        return self._zero()

    def _zero(self) -> Any:
        zeros: dict[str, Any] = {"text": "", "blob": bytes(self.width), "f64": 0.0, "bool": False}
        return zeros.get(self.base, 0)

    def encode(self, value: Any) -> bytes:
        if self.length:
            return b"".join(self._encode(element) for element in value)
        return self._encode(value)

    def _encode(self, value: Any) -> bytes:
        if self.base == "text":
            return value.encode().ljust(self.width, b"\0")
        if self.base == "blob":
            return value
        if self.base == "f64":
            return struct.pack("<d", value)
        return (int(value) % 2**64).to_bytes(8, "little")[: SIZES[self.base]]

    def decode(self, data: bytes) -> Any:
        if self.length:
            unit = SIZES[self.base]
            return tuple(self._decode(data[at : at + unit]) for at in range(0, len(data), unit))
        return self._decode(data)

    def _decode(self, data: bytes) -> Any:
        if self.base == "text":
            return data.rstrip(b"\0").decode()
        if self.base == "blob":
            return data
        if self.base == "f64":
            return struct.unpack("<d", data)[0]
        if self.base == "bool":
            return data != b"\0"
        return int.from_bytes(data, "little", signed=self.base in ("i8", "i16", "i32", "i64", "time"))

    def type_problem(self, data: bytes) -> tuple[str, int | None] | None:
        """The rule of its type that these bytes break: the rejection's name, and its value."""
        if self.base == "text":
            content = data.rstrip(b"\0")
            try:
                content.decode()
            except UnicodeDecodeError:
                return "bad_text", None
            return ("bad_text", None) if b"\0" in content else None
        if self.base == "bool" and data[0] > 1:
            return "bad_bool", data[0]
        if self.base == "enum" and int.from_bytes(data, "little") not in self.member_names:
            return "bad_enum", int.from_bytes(data, "little")
        if self.base == "f64" and not all(math.isfinite(x) for x in struct.unpack(f"<{len(data) // 8}d", data)):
            return "bad_float", None
        return None

    def bound_problem(self, value: Any) -> tuple[int, Any, Any] | None:
        """The first bound that the value breaks: the operator's number, the value, the bound."""
        for element in value if self.length else (value,):
            for op, bound in self.bounds:
                bound = float(bound) if self.base == "f64" else bound
                if not COMPARE[op](element, bound):
                    return OP_NUMBER[op], element, bound
        return None

    def integer_problem(self, value: int) -> tuple[int, int] | None:
        """For a value outside the integer type: the operator's number and the limit."""
        low, high = INTEGER_RANGES[self.base]
        if value < low:
            return GE, low
        return (LE, high) if value > high else None


class Layout:
    """The fields of a page or an intent."""

    def __init__(self, name: str, signature: str, fields: tuple[Field, ...]) -> None:
        self.name = name
        self.fields: list[FieldLayout] = []
        self.gaps: list[tuple[int, int]] = []  # padding: from, to
        end = 0
        for index, field in enumerate(fields):
            layout = FieldLayout(field, index, end)
            if layout.offset > end:
                self.gaps.append((end, layout.offset))
            self.fields.append(layout)
            end = layout.offset + layout.size
        self.size = round_up(end)
        if self.size > end:
            self.gaps.append((end, self.size))
        self.by_name = {f.name: f for f in self.fields}
        self.type_id = blake3_8((signature + "{" + ",".join(f"{f.name}:{f.type}" for f in fields) + "}").encode())

    @property
    def words(self) -> int:
        return self.size // 8

    def encode(self, values: dict[str, Any]) -> bytes:
        body = bytearray(self.size)
        for f in self.fields:
            body[f.offset : f.offset + f.size] = f.encode(values[f.name])
        return bytes(body)

    def decode(self, body: bytes) -> dict[str, Any]:
        return {f.name: f.decode(body[f.offset : f.offset + f.size]) for f in self.fields}

    def defaults(self) -> dict[str, Any]:
        return {f.name: f.default for f in self.fields}

    def padding_problem(self, body: bytes) -> int | None:
        """Where padding that is not zero begins."""
        for start, end in self.gaps:
            for at in range(start, end):
                if body[at]:
                    return at
        return None


class PageLayout(Layout):
    def __init__(self, page: Page) -> None:
        super().__init__(page.name, f"page {page.name}({','.join(page.key)})", page.fields)
        self.page = page
        self.key_fields = [FieldLayout(Field(f"key {i}", kind), i, 0) for i, kind in enumerate(page.key)]
        self.key_size = sum(round_up(max(c.size, 8)) for c in self.key_fields)
        self.partition_by = page.partition_by or tuple(range(len(page.key)))

    def encode_key(self, components: tuple[Any, ...]) -> bytes:
        return b"".join(encode_wide(c, value) for c, value in zip(self.key_fields, components, strict=True))

    def decode_key(self, key: bytes) -> tuple[Any, ...]:
        values, at = [], 0
        for c in self.key_fields:
            size = round_up(max(c.size, 8))
            values.append(decode_wide(c, key[at : at + size]))
            at += size
        return tuple(values)

    def key_problem(self, key: bytes) -> int | None:
        """Where the first bad component of a key of the right size begins."""
        at = 0
        for c in self.key_fields:
            size = round_up(max(c.size, 8))
            if wide_problem(c, key[at : at + size]):
                return at
            at += size
        return None

    def partition(self, key: bytes, partitions: int) -> int:
        components = self.decode_key(key)
        parts = [partition_bytes(components[i]) for i in self.partition_by]
        if len(parts) > 1:
            parts = [len(part).to_bytes(4, "little") + part for part in parts]
        return (murmur2(b"".join(parts)) & 0x7FFFFFFF) % partitions


class IntentLayout(Layout):
    def __init__(self, intent: Intent) -> None:
        super().__init__(intent.name, f"intent {intent.name}", intent.fields)
        self.intent = intent


MUTATE_ID = blake3_8(b"intent mmsb.Mutate{}")
UPSERT_ID = blake3_8(b"intent mmsb.Upsert{}")


def encode_wide(f: FieldLayout, value: Any) -> bytes:
    """A scalar in a key or an upsert: integers, bool and enum in 8 bytes, text and blobs padded."""
    if f.base in ("text", "blob"):
        return padded(f.encode(value))
    if f.base == "f64":
        return struct.pack("<d", value)
    return (int(value) % 2**64).to_bytes(8, "little")


def decode_wide(f: FieldLayout, data: bytes) -> Any:
    if f.base in ("text", "blob"):
        return f.decode(data[: f.size])
    if f.base == "f64":
        return struct.unpack("<d", data)[0]
    value = int.from_bytes(data, "little", signed=f.base not in ("u64", "u8", "u16", "u32", "bool", "enum"))
    return bool(value) if f.base == "bool" else value


def wide_problem(f: FieldLayout, data: bytes) -> tuple[str, int | None] | None:
    """Like type_problem, for a widened scalar; a value outside its integer type is out_of_range."""
    if f.base in ("text", "blob"):
        return f.type_problem(data[: f.size]) or (("bad_padding", None) if any(data[f.size :]) else None)
    if f.base == "f64":
        return f.type_problem(data)
    value = int.from_bytes(data, "little")
    if f.base == "bool":
        return ("bad_bool", value) if value > 1 else None
    if f.base == "enum":
        return ("bad_enum", value) if value not in f.member_names else None
    value = decode_wide(f, data)
    return ("out_of_range", value) if f.integer_problem(value) else None


def partition_bytes(value: int | str | bytes) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else str(value).encode()


def murmur2(data: bytes) -> int:
    """As in Kafka's Java client, as a u32."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def id_of_text(text: str) -> bytes:
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return bytes.fromhex(text.replace("-", ""))
    return blake3_16(text.encode())


def position_id(partition: int, log_id: bytes, offset: int) -> bytes:
    return partition.to_bytes(4, "little") + log_id[:4] + offset.to_bytes(8, "little", signed=True)


def follow_up_source(partition: int, log_id: bytes) -> bytes:
    return partition.to_bytes(4, "little") + log_id[:12]
