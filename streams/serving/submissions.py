"""Intents on their way to the owner, one or many, and what became of them on its way back.

One intent is a frame's body as it is. Many travel as columns in chunks of bounded size, each settled by itself.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np

from mmsb.processors.batching import Intents
from mmsb.processors.receipts import NO_OFFSET, Receipts
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.envelopes import HEADER
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.limits import INTENT_BYTES_MAX, PARTITIONS_MAX
from mmsb.schemas.metadata import unpack_metadata
from mmsb.schemas.rejections import ROW_BYTES, Refused, unpack_rejection
from mmsb.schemas.statuses import Status
from mmsb.streams.serving.bodies import Body, padded
from mmsb.streams.serving.frames import FRAME_BYTES_MAX, HEAD, LAST, Kind
from mmsb.streams.tickets import Receipt

CHUNK_BYTES: Final = 1 << 20  # of intents in a chunk: larger costs the owner's memory, smaller its time
CHUNK_ROWS_MAX: Final = 65_536  # so that the receipts of a chunk fit into a frame; on the wire

_RECEIPT: Final = struct.Struct("<IB3xqq")  # partition, status, offset, first offset
_FRAMED: Final = struct.Struct("<IHHQ" + _RECEIPT.format[1:])
_MANY: Final = struct.Struct("<QIHBBII")  # type, rows, words of arguments, has ids, zero, metadata, zero
_COLUMNS: Final = struct.Struct("<II")  # rows, rejections
_STATUSES: Final[dict[Status | None, int]] = {None: 0, **{status: int(status) for status in Status}}
_REJECTION: Final = np.dtype(f"V{ROW_BYTES}")

assert CHUNK_ROWS_MAX * (8 + 8 + 1 + ROW_BYTES) + _COLUMNS.size <= FRAME_BYTES_MAX


def encode_receipt(kind: Kind, request: int, receipt: Receipt) -> bytes:
    """A whole frame: thousands of them go out in a second."""
    first = NO_OFFSET if receipt.first_offset is None else receipt.first_offset
    rejection = b"" if receipt.rejection is None else receipt.rejection.pack()
    size = _RECEIPT.size + len(rejection)
    status = _STATUSES[receipt.status]
    return _FRAMED.pack(size, kind, LAST, request, receipt.partition, status, receipt.offset, first) + rejection


def decode_receipt(body: bytes) -> Receipt:
    if len(body) == _RECEIPT.size and body[4] == Status.APPLIED:  # nearly all of them
        partition, status, offset, first = _RECEIPT.unpack(body)
        if body[5:8] == b"\0\0\0" and first == NO_OFFSET and offset >= 0 and partition < PARTITIONS_MAX:
            return Receipt(partition, offset, Status.APPLIED)
    reader = Body("receipt", body)
    partition, status, offset, first = reader.fixed(_RECEIPT)
    reader.check(status in _STATUSES.values(), "a known status", status)
    settled = Status(status) if status else None
    rejection = unpack_rejection(reader.take(ROW_BYTES)) if settled == Status.REJECTED else None
    reader.end()
    receipt = Receipt(partition, offset, settled, rejection, first if settled == Status.DUPLICATE else None)
    again = encode_receipt(Kind.SUBMIT, 0, receipt)[HEAD.size :] == body
    reader.check(again, "the bytes that an encoder writes", "others")
    reader.check(partition < PARTITIONS_MAX and offset >= 0, "a partition and an offset", f"{partition}, {offset}")
    return receipt


def chunks_of(intents: Intents) -> Iterator[Intents]:
    """Parts of it, in order, that fit into a frame each."""
    width = intents.layout.size + ID_BYTES * (intents.ids is not None)
    rows = min(max(CHUNK_BYTES // max(width, 1), 1), CHUNK_ROWS_MAX)
    for start in range(0, len(intents), rows):
        yield intents.slice(start, min(start + rows, len(intents)))


def encode_intents(intents: Intents) -> bytes:
    ids = b"" if intents.ids is None else intents.ids.tobytes()
    fixed = _MANY.pack(
        intents.layout.type_id, len(intents), intents.layout.size // 8, intents.ids is not None, 0,
        len(intents.metadata), 0,
    )  # fmt: skip
    return b"".join((fixed, intents.arguments.tobytes(), ids, intents.metadata))


def decode_intents(body: bytes, descriptor: Descriptor) -> Intents:
    """A chunk. Its class is one that the owner knows, else InvalidValue."""
    reader = Body("intents", body)
    type_id, rows, words, has_ids, zero, metadata_size, zeros = reader.fixed(_MANY)
    reader.check(1 <= rows <= CHUNK_ROWS_MAX, f"1 to {CHUNK_ROWS_MAX} rows", rows)
    reader.check(has_ids <= 1 and not zero and not zeros, "0 or 1, and zeros", f"{has_ids}, {zero}, {zeros}")
    value_bytes = HEADER.size + 8 * words + ID_BYTES * has_ids + metadata_size
    reader.check(value_bytes <= INTENT_BYTES_MAX, f"intents of up to {INTENT_BYTES_MAX} bytes", value_bytes)
    arguments = np.frombuffer(reader.take(8 * words * rows), np.uint64).reshape(rows, words)
    ids = np.frombuffer(reader.take(ID_BYTES * rows), np.uint64).reshape(rows, 2) if has_ids else None
    metadata = reader.take(metadata_size)
    reader.end()
    if metadata:
        try:
            unpack_metadata(metadata)
        except Refused:
            reader.check(False, "metadata", "other bytes")
    return Intents(known_layout(descriptor, type_id, 8 * words), arguments, ids, metadata)


def known_layout(descriptor: Descriptor, type_id: int, size: int) -> IntentLayout:
    """The layout that the owner knows an intent by."""
    layout = descriptor.layouts_by_type.get(type_id)
    if not isinstance(layout, IntentLayout) or layout.size != size:
        raise InvalidValue(
            f"submit_many: the owner of the folder runs code without an intent of type {type_id:016x}; run the same "
            "code on both sides"
        )
    return layout


def encode_receipts(receipts: Receipts) -> bytes:
    offsets, firsts = receipts.offsets.astype("<i8").tobytes(), receipts.first_offsets.astype("<i8").tobytes()
    fixed = _COLUMNS.pack(len(receipts), len(receipts.rejections))
    return b"".join((fixed, offsets, firsts, padded(receipts.statuses.tobytes()), receipts.rejections.tobytes()))


def decode_receipts(body: bytes) -> Receipts:
    reader = Body("receipts", body)
    rows, rejected = reader.fixed(_COLUMNS)
    reader.check(1 <= rows <= CHUNK_ROWS_MAX and rejected <= rows, f"1 to {CHUNK_ROWS_MAX} rows", f"{rows}, {rejected}")
    offsets = np.frombuffer(reader.take(8 * rows), "<i8")
    firsts = np.frombuffer(reader.take(8 * rows), "<i8")
    statuses = np.frombuffer(reader.take(rows), np.uint8)
    rejections = np.frombuffer(reader.take(ROW_BYTES * rejected), _REJECTION)
    reader.end()
    reader.check(bool(offsets[0] >= 0 and (np.diff(offsets) > 0).all()), "rising offsets", "others")
    known = bool(np.isin(statuses, list(Status)).all())
    reader.check(known, "known statuses", "others")
    reader.check(np.count_nonzero(statuses == Status.REJECTED) == rejected, "a row for each rejection", rejected)
    plain = firsts[statuses != Status.DUPLICATE] == NO_OFFSET
    reader.check(bool(plain.all() and (firsts >= NO_OFFSET).all()), "first offsets of duplicates", "others")
    _check_rejections(rejections.tobytes())
    return Receipts(offsets, statuses, firsts, rejections)


def _check_rejections(rows: bytes) -> None:
    """Equal rows are common: each is looked at once."""
    cut = {rows[at : at + ROW_BYTES] for at in range(0, len(rows), ROW_BYTES)}
    for row in cut:
        unpack_rejection(row)


def check_intent_size(intent: bytes) -> None:
    if len(intent) > FRAME_BYTES_MAX:
        raise InvalidValue(
            f"an intent that goes through the socket has at most FRAME_BYTES_MAX = {FRAME_BYTES_MAX} bytes, found "
            f"{len(intent)}; more than {INTENT_BYTES_MAX} are rejected anyway"
        )
