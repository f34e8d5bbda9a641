"""The types a field can have: how each is spelled, stored, checked and read back.

A stored value is a fixed number of bytes (docs/formats.md, section 1). `pack` takes a Python value and refuses what
does not fit; `problem` judges bytes that came from elsewhere and gives the rejection code of what is wrong, or 0.
"""

import enum
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.rejections import Code

Value = int | float | bool | str | bytes | Sequence[int] | Sequence[float]

I64_MIN: Final = -(2**63)
I64_MAX: Final = 2**63 - 1
U64_MAX: Final = 2**64 - 1


def padded(size: int, unit: int = 8) -> int:
    """The next multiple of `unit` that is not below `size`."""
    return -(-size // unit) * unit


@dataclass(frozen=True, slots=True)
class Integer:
    """A number of 1 to 8 bytes; `time` is an i64 with a name of its own."""

    spelling: str
    size: int
    signed: bool

    @property
    def alignment(self) -> int:
        return self.size

    @property
    def minimum(self) -> int:
        return -(1 << (8 * self.size - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (8 * self.size - self.signed)) - 1

    @property
    def default(self) -> int:
        return 0

    def pack(self, value: object) -> bytes:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidValue(f"expected an integer, found {value!r}")
        try:
            return value.to_bytes(self.size, "little", signed=self.signed)
        except OverflowError:
            wanted = f"{self.spelling}, {self.minimum} to {self.maximum}"
            raise InvalidValue(f"expected {wanted}, found {value}") from None

    def unpack(self, data: bytes) -> int:
        return int.from_bytes(data, "little", signed=self.signed)

    def problem(self, data: bytes) -> Code:
        return Code.NONE


@dataclass(frozen=True, slots=True)
class Float:
    """A finite IEEE 754 double."""

    spelling: str = "f64"
    size: int = 8
    alignment: int = 8
    default: float = 0.0

    def pack(self, value: object) -> bytes:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidValue(f"expected a number, found {value!r}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise InvalidValue(f"expected a finite f64, found {value!r}")
        return struct.pack("<d", number)

    def unpack(self, data: bytes) -> float:
        number: float = struct.unpack("<d", data)[0]
        return number

    def problem(self, data: bytes) -> Code:
        return Code.NONE if math.isfinite(self.unpack(data)) else Code.BAD_FLOAT


@dataclass(frozen=True, slots=True)
class Boolean:
    """One byte, 0 or 1."""

    spelling: str = "bool"
    size: int = 1
    alignment: int = 1
    default: bool = False

    def pack(self, value: object) -> bytes:
        if not isinstance(value, bool):
            raise InvalidValue(f"expected True or False, found {value!r}")
        return b"\x01" if value else b"\x00"

    def unpack(self, data: bytes) -> bool:
        return data != b"\x00"

    def problem(self, data: bytes) -> Code:
        return Code.NONE if data[0] <= 1 else Code.BAD_BOOL


@dataclass(frozen=True, slots=True)
class Enumeration:
    """A u16 that is the value of one of the members; `python` is the user's class, where there is one."""

    members: tuple[tuple[str, int], ...]
    python: type[enum.IntEnum] | None = field(default=None, compare=False)
    spelling: str = "enum"
    size: int = 2
    alignment: int = 2

    @property
    def default(self) -> int:
        return self._member(self.members[0][1])

    def _member(self, value: int) -> int:
        """The user's member; a number that an older release knew as one stays a number."""
        known = self.python is not None and any(value == number for _, number in self.members)
        return self.python(value) if known and self.python else value

    def name_of(self, value: int) -> str:
        return next(name for name, number in self.members if number == value)

    def pack(self, value: object) -> bytes:
        if self.python is not None and isinstance(value, enum.Enum) and not isinstance(value, self.python):
            raise InvalidValue(f"expected a member of {self.python.__name__}, found {value!r}")
        if not isinstance(value, int) or isinstance(value, bool) or value not in dict(self.members).values():
            names = ", ".join(name for name, _ in self.members)
            raise InvalidValue(f"expected one of {names}, found {value!r}")
        return self.store(value)

    def store(self, value: int) -> bytes:
        """As `pack`, of a number that may be no member any more."""
        return int(value).to_bytes(2, "little")

    def unpack(self, data: bytes) -> int:
        return self._member(int.from_bytes(data, "little"))

    def problem(self, data: bytes) -> Code:
        number = int.from_bytes(data, "little")
        return Code.NONE if any(number == value for _, value in self.members) else Code.BAD_ENUM


@dataclass(frozen=True, slots=True)
class Text:
    """Up to `size` bytes of UTF-8 without NUL, zero-padded."""

    size: int
    alignment: int = 1
    default: str = ""

    @property
    def spelling(self) -> str:
        return f"text({self.size})"

    def pack(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise InvalidValue(f"expected text, found {value!r}")
        return encode_text(value, self.size).ljust(self.size, b"\x00")

    def unpack(self, data: bytes) -> str:
        return data.rstrip(b"\x00").decode()

    def problem(self, data: bytes) -> Code:
        content = data.rstrip(b"\x00")
        return Code.NONE if is_text(content) else Code.BAD_TEXT


@dataclass(frozen=True, slots=True)
class Blob:
    """Exactly `size` bytes."""

    size: int
    alignment: int = 1

    @property
    def spelling(self) -> str:
        return f"blob({self.size})"

    @property
    def default(self) -> bytes:
        return bytes(self.size)

    def pack(self, value: object) -> bytes:
        if not isinstance(value, bytes):
            raise InvalidValue(f"expected bytes, found {value!r}")
        if len(value) != self.size:
            raise InvalidValue(f"expected {self.size} bytes, found {len(value)}")
        return value

    def unpack(self, data: bytes) -> bytes:
        return data

    def problem(self, data: bytes) -> Code:
        return Code.NONE


@dataclass(frozen=True, slots=True)
class Array:
    """`count` numbers of one type, one after another."""

    element: Integer | Float
    count: int

    @property
    def spelling(self) -> str:
        return f"{self.element.spelling}[{self.count}]"

    @property
    def size(self) -> int:
        return self.element.size * self.count

    @property
    def alignment(self) -> int:
        return self.element.alignment

    @property
    def default(self) -> tuple[int | float, ...]:
        return (self.element.default,) * self.count

    def pack(self, value: object) -> bytes:
        if not isinstance(value, list | tuple):
            raise InvalidValue(f"expected a list of {self.count} numbers, found {value!r}")
        items = cast(Sequence[Any], value)
        if len(items) != self.count:
            raise InvalidValue(f"expected {self.count} numbers, found {len(items)}")
        return b"".join(self.element.pack(item) for item in items)

    def elements(self, data: bytes) -> list[bytes]:
        step = self.element.size
        return [data[at : at + step] for at in range(0, self.size, step)]

    def unpack(self, data: bytes) -> tuple[int | float, ...]:
        return tuple(self.element.unpack(item) for item in self.elements(data))

    def problem(self, data: bytes) -> Code:
        return next((code for item in self.elements(data) if (code := self.element.problem(item))), Code.NONE)


FieldType = Integer | Float | Boolean | Enumeration | Text | Blob | Array

INTEGERS: Final = {
    f"{prefix}{8 * size}": Integer(f"{prefix}{8 * size}", size, prefix == "i")
    for prefix in "iu"
    for size in (1, 2, 4, 8)
}
TIME: Final = Integer("time", 8, signed=True)
FLOAT: Final = Float()
BOOLEAN: Final = Boolean()
_NUMBERS: Final[dict[str, Integer | Float]] = {**INTEGERS, "f64": FLOAT}
_SIZED = re.compile(r"(text|blob|\w+)[(\[]([1-9][0-9]{0,5})[)\]]")


def parse_type(spelling: str, members: Sequence[tuple[str, int]] = ()) -> FieldType:
    """The type of that spelling, the inverse of `.spelling`; enums need their members."""
    simple: dict[str, FieldType] = {**_NUMBERS, "time": TIME, "bool": BOOLEAN}
    if spelling in simple:
        return simple[spelling]
    if spelling == "enum" and members:
        return Enumeration(tuple(members))
    parts = _SIZED.fullmatch(spelling)
    if parts:
        sized: dict[str, FieldType] = {"text": Text(int(parts[2])), "blob": Blob(int(parts[2]))}
        if parts[1] in _NUMBERS:
            sized[parts[1]] = Array(_NUMBERS[parts[1]], int(parts[2]))
        if parts[1] in sized and sized[parts[1]].spelling == spelling:
            return sized[parts[1]]
    raise InvalidValue(f"expected a field type, found {spelling!r}")


def is_text(content: bytes) -> bool:
    """Whether these bytes are UTF-8 without NUL."""
    if b"\x00" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def encode_text(value: str, size_max: int) -> bytes:
    """UTF-8 of a text that may stand in a field: no NUL, no lone surrogate, not too long."""
    if "\x00" in value:
        raise InvalidValue("expected text without NUL characters, found one; use a blob for raw bytes")
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise InvalidValue("expected text that UTF-8 can carry, found a lone surrogate") from None
    if len(data) > size_max:
        raise InvalidValue(f"expected at most {size_max} bytes of UTF-8, found {len(data)}")
    return data
