"""Where a log begins that does not begin at 0: a small file in its folder (docs/formats.md, section 15).

It says that nothing below an offset need be there. It is durable before anything is removed, so a segment that is
missing without it is a loss, and found as one.
"""

import struct
from pathlib import Path
from typing import Final

from blake3 import blake3

from mmsb.schemas.errors import CorruptState, MalformedBytes, NewerFormat
from mmsb.streams.files import Files
from mmsb.streams.log.segments import RESTORE

BEGIN: Final = "begin"
BEGIN_BYTES: Final = 24
_NEW: Final = "begin-new"
_MAGIC: Final = b"MMB\x01"
_CONTENT: Final = struct.Struct("<4s4xq")  # magic, offset
_HASH_BYTES: Final = 8


def encode_begin(offset: int) -> bytes:
    content = _CONTENT.pack(_MAGIC, offset)
    return content + blake3(content).digest(_HASH_BYTES)


def decode_begin(data: bytes) -> int:
    if data[:3] == _MAGIC[:3] and len(data) == BEGIN_BYTES and data[3] != _MAGIC[3]:
        raise NewerFormat(f"log begin: expected version {_MAGIC[3]}, found {data[3]}; use the release that wrote it")
    offset: int = _CONTENT.unpack_from(data)[1] if len(data) == BEGIN_BYTES else -1
    if offset < 0 or encode_begin(offset) != data:
        raise MalformedBytes("log begin", "an offset and the hash that fits it", data.hex(), 0)
    return offset


def read_begin(files: Files, folder: Path) -> int:
    """The offset below which nothing need be there; 0 if nothing was ever trimmed."""
    path = folder / BEGIN
    if not files.exists(path):
        return 0
    file = files.open(path, read_only=True)
    try:
        return decode_begin(file.read(0, BEGIN_BYTES + 1))
    except MalformedBytes as error:
        raise CorruptState(f"{path}: {error}: {RESTORE}") from error
    finally:
        file.close()


def write_begin(files: Files, folder: Path, offset: int) -> None:
    """Durable when it returns, in place of what was said before."""
    path = folder / _NEW
    if files.exists(path):
        files.remove(path)  # of a write that a crash cut short
    file = files.create(path)
    try:
        file.write(0, encode_begin(offset))
        file.sync()
    finally:
        file.close()
    files.replace(path, folder / BEGIN)
    files.sync_folder(folder)
