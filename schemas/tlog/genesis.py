"""Record 0 of a TLog partition: whose log it is."""

import struct
from dataclasses import dataclass
from typing import Final

from mmsb.schemas.descriptors import is_app_name
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.limits import APP_NAME_BYTES_MAX, PARTITIONS_MAX, WINDOW_DEFAULT, WINDOW_MAX
from mmsb.schemas.tlog.records import MAGIC, TlogKind, padded_part, padding

_HEADER: Final = struct.Struct("<4sHH16sIIII")
LOG_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Genesis:
    """What is fixed for ever when a log is made. `window` is W, the dedupe window in offsets."""

    log_id: bytes
    app: str
    partition: int = 0
    partition_count: int = 1
    window: int = WINDOW_DEFAULT

    def __post_init__(self) -> None:
        if len(self.log_id) != LOG_ID_BYTES or not any(self.log_id):
            raise InvalidValue(f"log id: expected {LOG_ID_BYTES} bytes that are not all zero, found {self.log_id!r}")
        if not 1 <= self.partition_count <= PARTITIONS_MAX:
            raise InvalidValue(f"partition count: expected 1 to {PARTITIONS_MAX}, found {self.partition_count}")
        if not 0 <= self.partition < self.partition_count:
            raise InvalidValue(f"partition: expected 0 to {self.partition_count - 1}, found {self.partition}")
        if not 1 <= self.window <= WINDOW_MAX:
            raise InvalidValue(f"window: expected 1 to {WINDOW_MAX}, found {self.window}")
        if not is_app_name(self.app):
            raise InvalidValue(f"app: expected 1 to {APP_NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -, found {self.app!r}")

    def pack(self) -> bytes:
        name = self.app.encode()
        fixed = (MAGIC, TlogKind.GENESIS, 0, self.log_id, self.partition_count, self.partition, self.window, len(name))
        return _HEADER.pack(*fixed) + name + padding(name)


def unpack_genesis(value: bytes) -> Genesis:
    if len(value) < _HEADER.size:
        raise MalformedBytes("genesis", f"at least {_HEADER.size} bytes", len(value), 0)
    magic, kind, zero, log_id, count, partition, window, size = _HEADER.unpack_from(value)
    if magic != MAGIC or kind != TlogKind.GENESIS or zero:
        raise MalformedBytes("genesis", "its magic, kind and zero", value[:8].hex(), 0)
    name = padded_part("genesis", value, _HEADER.size, size)
    try:
        return Genesis(log_id, name.decode("ascii", "replace"), partition, count, window)
    except InvalidValue as error:
        raise MalformedBytes("genesis", "valid fields", str(error), 8) from None
