"""Rejects: what was refused and why, for whoever listens (docs/formats.md, section 23).

A reject is made from the block that settles its intent, and says nothing that the TLog does not; its partition and
offset name it for ever. Here are only its two forms, packed and JSON.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.errors import InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.ids import ID_BYTES, id_text
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.layouts import Layout
from mmsb.schemas.limits import PARTITIONS_MAX
from mmsb.schemas.rejections import ROW_BYTES, Rejection, unpack_rejection
from mmsb.schemas.sentences import sentence
from mmsb.schemas.sources import HOPS_BITS_MAX
from mmsb.schemas.types import I64_MAX, U64_MAX

# On the wire.
_MAGIC: Final = b"MMR"
_VERSION: Final = 1
MAGIC: Final = _MAGIC + bytes([_VERSION])
_ROW = struct.Struct("<3sBIqqQ16sII32s")
REJECT_BYTES: Final = _ROW.size

assert (REJECT_BYTES, ROW_BYTES) == (88, 32)

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Reject:
    """One intent that was refused. `time` is the partition clock at it."""

    partition: int
    offset: int
    time: int
    intent_type: int
    cause: bytes
    hops: int
    rejection: Rejection

    def __post_init__(self) -> None:
        for name, value, highest in (
            ("partition", self.partition, PARTITIONS_MAX - 1),
            ("offset", self.offset, I64_MAX - 1),
            ("time", self.time, I64_MAX),
            ("intent type", self.intent_type, U64_MAX),
            ("hops", self.hops, HOPS_BITS_MAX),
        ):
            if not 0 <= value <= highest:
                raise InvalidValue(f"{name} of a reject: expected 0 to {highest}, found {value}")
        if len(self.cause) != ID_BYTES:
            raise InvalidValue(f"cause of a reject: expected an id of {ID_BYTES} bytes, found {len(self.cause)}")

    def pack(self) -> bytes:
        place = self.partition, self.offset, self.time, self.intent_type
        return _ROW.pack(_MAGIC, _VERSION, *place, self.cause, self.hops, 0, self.rejection.pack())


def unpack_reject(data: bytes) -> Reject:
    """Read one reject that is all of `data`."""
    if data[:3] != _MAGIC:
        raise MalformedBytes("reject", "MMR", data[:3], 0)
    if data[3:4] != bytes([_VERSION]):
        raise NewerFormat(f"reject: expected version {_VERSION}, found {data[3:4]!r}; use the release that wrote it")
    if len(data) != REJECT_BYTES:
        raise MalformedBytes("reject", f"{REJECT_BYTES} bytes", len(data), len(data))
    _, _, partition, offset, time, intent_type, cause, hops, zero, rejection = _ROW.unpack(data)
    if zero:
        raise MalformedBytes("reject", "zero", zero, 52)
    try:
        return Reject(partition, offset, time, intent_type, cause, hops, unpack_rejection(rejection))
    except InvalidValue as error:
        raise MalformedBytes("reject", "a reject", error, 0) from None


def reject_json(
    reject: Reject, intent_name: str | None, layouts: Mapping[int, Layout], messages: Sequence[str]
) -> bytes:
    """The reject as one JSON object, members in the documented order; the layouts and messages are its claim's."""
    members: dict[str, JsonValue] = {
        "@rejected": reject.rejection.code.name.lower(),
        "@intent": intent_name,
        "@partition": reject.partition,
        "@offset": reject.offset,
        "@time": reject.time,
        "@cause": id_text(reject.cause),
        "@hops": reject.hops,
        "@why": sentence(reject.rejection, layouts, messages),
    }
    return _ENCODER.encode(members).encode()
