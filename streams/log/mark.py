"""The durable mark: up to where both logs of a partition are known to be durable, for the next start and for readers.

Two slots take turns, so that a write torn in half leaves the one before it. It is written after each sync of a log and
never synced itself: after a loss of power an older mark only means that more is checked less strictly.
"""

import struct
from pathlib import Path
from typing import Final, NamedTuple

from blake3 import blake3

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, NewerFormat
from mmsb.streams.files import File, Files

SLOT_BYTES: Final = 64
MARK_BYTES: Final = 2 * SLOT_BYTES
_MAGIC: Final = b"MMK\x01"
_SLOT: Final = struct.Struct("<4s4xqqq24x")  # magic, sequence, the two ends
_HASH_BYTES: Final = 8


class Durable(NamedTuple):
    """The offset after the last durable record of each log."""

    intents: int
    tlog: int


NOTHING: Final = Durable(0, 0)


def encode_slot(sequence: int, durable: Durable) -> bytes:
    content = _SLOT.pack(_MAGIC, sequence, *durable)
    return content + blake3(content).digest(_HASH_BYTES)


def decode_mark(data: bytes) -> tuple[int, Durable]:
    """The newest slot's sequence and content; sequence 0 if nothing was written yet."""
    slots = [data[:SLOT_BYTES], data[SLOT_BYTES : 2 * SLOT_BYTES]]
    valid = [slot for place in (0, 1) if (slot := _decode_slot(slots[place], place)) is not None]
    if not valid and all(any(slot) for slot in slots):
        raise CorruptState(
            "durable mark: expected one sound slot of two, found none; something else wrote into this file, or the "
            "disk is damaged: check it, and restore the folder from a good copy"
        )
    return max(valid, default=(0, NOTHING))


def _decode_slot(data: bytes, place: int) -> tuple[int, Durable] | None:
    """None for a slot that was never written, or that a crash cut in half."""
    if len(data) >= 4 and data[:3] == _MAGIC[:3] and data[3] > _MAGIC[3]:
        raise NewerFormat(f"durable mark: expected version {_MAGIC[3]}, found {data[3]}; use the release that wrote it")
    content = data[: _SLOT.size]
    if len(data) < SLOT_BYTES or data[_SLOT.size :] != blake3(content).digest(_HASH_BYTES):
        return None
    _, sequence, intents, tlog = _SLOT.unpack(content)
    durable = Durable(intents, tlog)
    if sequence < 1 or min(durable) < 0 or sequence % 2 != place or encode_slot(sequence, durable) != data:
        return None
    return sequence, durable


class Mark:
    """The mark of one partition, for its one writer."""

    def __init__(self, file: File, sequence: int, durable: Durable) -> None:
        self._file = file
        self._sequence = sequence
        self.durable = durable

    @classmethod
    def open(cls, files: Files, path: Path) -> "Mark":
        """Open the file, or create it, at its full size: then a crash can only hit the slot that was being written."""
        file = files.open(path) if files.exists(path) else files.create(path)
        try:
            sequence, durable = decode_mark(file.read(0, MARK_BYTES))
            if file.size() != MARK_BYTES:
                file.truncate(MARK_BYTES)
                file.sync()
                files.sync_folder(path.parent)
        except BaseException as error:
            file.close()
            if isinstance(error, CorruptState):
                raise type(error)(f"{path}: {error}") from error
            raise
        return cls(file, sequence, durable)

    def write(self, durable: Durable) -> None:
        """Say that the logs are durable below these offsets. They must be, and they never fall."""
        assert durable.intents >= self.durable.intents, "what was durable stays durable"
        assert durable.tlog >= self.durable.tlog, "what was durable stays durable"
        sequence = self._sequence + 1
        self._file.write(SLOT_BYTES * (sequence % 2), encode_slot(sequence, durable))
        self._sequence, self.durable = sequence, durable

    def close(self) -> None:
        self._file.close()


class MarkReader:
    """The mark as another process sees it; each `read` asks the file again."""

    def __init__(self, files: Files, path: Path) -> None:
        self._path = path
        if not files.exists(path):
            raise EnvironmentFailed(f"{path}: expected the durable mark of a partition, found no file; name its folder")
        self._file = files.open(path, read_only=True)

    def read(self) -> Durable:
        return decode_mark(self._file.read(0, MARK_BYTES))[1]

    def close(self) -> None:
        self._file.close()
