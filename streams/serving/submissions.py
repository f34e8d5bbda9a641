"""One intent on its way to the owner, and its receipt on the way back. Many go as columns: columns.py."""

import struct
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import INTENT_BYTES_MAX, PARTITIONS_MAX
from mmsb.schemas.rejections import ROW_BYTES, unpack_rejection
from mmsb.schemas.statuses import Status
from mmsb.streams.serving.bodies import Body
from mmsb.streams.serving.frames import FRAME_BYTES_MAX, HEAD, LAST, Kind
from mmsb.streams.tickets import Receipt

NO_OFFSET: Final = -1

_RECEIPT: Final = struct.Struct("<IB3xqq")  # partition, status, offset, first offset
_FRAMED: Final = struct.Struct("<IHHQ" + _RECEIPT.format[1:])
_STATUSES: Final[dict[Status | None, int]] = {None: 0, **{status: int(status) for status in Status}}


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


def check_intent_size(intent: bytes, beside: int = 0) -> None:
    """`beside` is what else its frame holds."""
    if len(intent) > FRAME_BYTES_MAX - beside:
        raise InvalidValue(
            f"an intent that goes through the socket has at most FRAME_BYTES_MAX = {FRAME_BYTES_MAX} bytes, found "
            f"{len(intent)}; more than {INTENT_BYTES_MAX} are rejected anyway"
        )
