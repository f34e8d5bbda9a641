"""A migrate record: how page types become what the claim says they are, in steps that need no user code."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.limits import BLOCK_BYTES_MAX
from mmsb.schemas.tlog.blocks import FIXED, BlockHeader, unpack_block_header
from mmsb.schemas.tlog.records import TlogKind, padded_part, padding

_TYPE_ID: Final = re.compile(r"[0-9a-f]{16}")
_SIZE: Final = struct.Struct("<II")
_ARGUMENTS: Final[dict[str, str | None]] = {"add": None, "drop": None, "rename": "to", "widen": "type"}


@dataclass(frozen=True, slots=True)
class Step:
    """`argument` is the new name of a rename, the new type of a widen."""

    op: str
    field: str
    argument: str | None = None

    def __post_init__(self) -> None:
        if self.op not in _ARGUMENTS or (self.argument is None) != (_ARGUMENTS[self.op] is None):
            raise InvalidValue(f"migration step: expected add, drop, rename (to) or widen (type), found {self}")

    def to_json(self) -> dict[str, Any]:
        name = _ARGUMENTS[self.op]
        return {"field": self.field, "op": self.op, **({name: self.argument} if name else {})}


@dataclass(frozen=True, slots=True)
class Migration:
    """One page type's way from one layout to the next."""

    page: str
    from_type: int
    to_type: int
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        steps = [step.to_json() for step in self.steps]
        return {"from": f"{self.from_type:016x}", "page": self.page, "steps": steps, "to": f"{self.to_type:016x}"}


def pack_migrate(header: BlockHeader, migrations: Sequence[Migration]) -> bytes:
    data = canonical([migration.to_json() for migration in migrations])
    value = header.pack() + _SIZE.pack(len(data), 0) + data + padding(data)
    if len(value) > BLOCK_BYTES_MAX:
        raise InvalidValue(
            f"a migrate record has at most {BLOCK_BYTES_MAX} bytes, found {len(value)}; write fewer steps"
        )
    return value


def unpack_migrate(value: bytes) -> tuple[BlockHeader, tuple[Migration, ...]]:
    header = unpack_block_header(value)
    if header is None or len(value) > BLOCK_BYTES_MAX:
        found = f"{len(value)} bytes"
        raise MalformedBytes("migrate", f"{FIXED.size + _SIZE.size} to {BLOCK_BYTES_MAX} bytes of ours", found, 0)
    if header.kind != TlogKind.MIGRATE:
        raise MalformedBytes("migrate", "a migrate", header.kind.name.lower(), 4)
    size, zero = _SIZE.unpack_from(value, FIXED.size)
    if zero or any(value[6:8]) or header.checksum or header.last != header.first - 1:
        raise MalformedBytes("migrate", "zeros, and last = first - 1", value[:8].hex(), 6)
    try:
        migrations = _migrations(parse_canonical(padded_part("migrate", value, FIXED.size + _SIZE.size, size)))
    except (InvalidValue, KeyError, TypeError, ValueError) as error:
        raise MalformedBytes("migrate", "steps as docs/formats.md, section 10, describes", str(error), 112) from None
    if pack_migrate(header, migrations) != value:
        raise MalformedBytes("migrate", "the bytes that an encoder writes", "others", 112)
    return header, migrations


def _migrations(found: Any) -> tuple[Migration, ...]:
    migrations = tuple(_migration(one) for one in cast("list[Any]", found))
    names = [migration.page for migration in migrations]
    if not isinstance(found, list) or names != sorted(set(names)):
        raise InvalidValue("pages that do not rise")
    return migrations


def _migration(found: Any) -> Migration:
    steps = tuple(_step(step) for step in found["steps"])
    if not isinstance(found["page"], str):
        raise InvalidValue("a page's name that is no text")
    return Migration(found["page"], _type_id(found["from"]), _type_id(found["to"]), steps)


def _type_id(found: Any) -> int:
    if not _TYPE_ID.fullmatch(found):
        raise InvalidValue("a type id that is not 16 hexadecimal digits")
    return int(found, 16)


def _step(found: Any) -> Step:
    argument = _ARGUMENTS[found["op"]]
    texts = [found["field"], *([found[argument]] if argument else [])]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidValue("a step whose parts are no texts")
    return Step(found["op"], found["field"], found[argument] if argument else None)
