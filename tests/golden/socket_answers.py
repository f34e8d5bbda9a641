"""Golden answers of the socket: whole frames, as an owner sends them."""

from collections.abc import Callable

import numpy as np

from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import InvalidDelta, MalformedBytes, OutcomeUnknown
from mmsb.schemas.rejections import Code, Rejection
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.door import About
from mmsb.streams.past.changes import History
from mmsb.streams.serving import changes, columns, faults, figures, hello, reads, submissions
from mmsb.streams.serving.frames import HEAD, Kind, Splitter, encode_frame
from mmsb.streams.tickets import Receipt
from tests.golden.events import CHANGED, CREATED, DELETED
from tests.golden.tlog import DESCRIPTOR, TRANSFER
from tests.serving.fake import STATS, change

KEY = bytes(range(8))
ABOUT = About((bytes(range(16)), bytes(range(16, 32))), DESCRIPTOR, 7, bytes(range(32)), Durability.FSYNC, 2**20)
REJECTION = Rejection(Code.PREDICATE, type_id=TRANSFER.type_id)


def _receipts(partitions: list[int] | None) -> bytes:
    statuses = np.array([Status.APPLIED, Status.REJECTED, Status.DUPLICATE], np.uint8)
    placed = None if partitions is None else np.array(partitions, np.int64)
    rejections = np.frombuffer(REJECTION.pack(), "V32")
    return columns.encode_receipts(Receipts(np.array([5, 6, 9]), statuses, np.array([-1, -1, 2]), rejections, placed))


def _receipt(receipt: Receipt) -> bytes:
    return submissions.encode_receipt(Kind.SUBMIT, 2, receipt)


FILES = {
    "hello_about.bin": lambda: encode_frame(Kind.HELLO, 1, hello.encode_about(ABOUT)),
    "receipt.bin": lambda: _receipt(Receipt(1, 41, Status.APPLIED)),
    "receipt_logged.bin": lambda: _receipt(Receipt(1, 41)),
    "receipt_rejected.bin": lambda: _receipt(Receipt(1, 41, Status.REJECTED, REJECTION)),
    "receipt_duplicate.bin": lambda: _receipt(Receipt(1, 41, Status.DUPLICATE, None, 40)),
    "receipts.bin": lambda: encode_frame(Kind.SUBMIT_MANY, 3, _receipts(None)),
    "receipts_of_partitions.bin": lambda: encode_frame(Kind.SUBMIT_MANY, 3, _receipts([0, 2, 0])),
    "get_found.bin": lambda: encode_frame(
        Kind.GET, 4, b"".join(map(reads.encode_found, [(42, bytes(range(40))), None]))
    ),
    "scan_part.bin": lambda: encode_frame(Kind.SCAN, 5, 2 * reads.encode_stored((KEY, 42, bytes(40))), last=False),
    "history_part.bin": lambda: encode_frame(
        Kind.HISTORY, 6, b"".join(changes.encode_history(History((change(n) for n in range(1, 7)), 2**33)))
    ),
    "events_part.bin": lambda: encode_frame(
        Kind.EVENTS, 8, b"".join(event.pack() for event in (CREATED, CHANGED, DELETED)), last=False
    ),
    "stats_part.bin": lambda: encode_frame(Kind.STATS, 9, figures.encode_stats(STATS)),
    "fault.bin": lambda: encode_frame(Kind.FAULT, 2, faults.encode_fault(OutcomeUnknown("it may be logged or not"))),
    "fault_malformed.bin": lambda: encode_frame(
        Kind.FAULT, 0, faults.encode_fault(MalformedBytes("frame", "flags 0 or 1", 9, 6))
    ),
    "fault_delta.bin": lambda: encode_frame(Kind.FAULT, 2, faults.encode_fault(InvalidDelta("no delta", 3, 8))),
}

AGAIN: dict[Kind, Callable[[bytes], bytes]] = {
    Kind.HELLO: lambda body: hello.encode_about(hello.decode_about(body)),
    Kind.SUBMIT: lambda body: _receipt(submissions.decode_receipt(body))[HEAD.size :],
    Kind.SUBMIT_MANY: lambda body: columns.encode_receipts(columns.decode_receipts(body)),
    Kind.GET: lambda body: b"".join(map(reads.encode_found, reads.decode_found(body))),
    Kind.SCAN: lambda body: b"".join(map(reads.encode_stored, reads.decode_stored(body))),
    Kind.HISTORY: lambda body: b"".join(changes.encode_history(changes.decode_history(body))),
    Kind.EVENTS: lambda body: b"".join(event.pack() for event in changes.decode_events(body)),
    Kind.STATS: lambda body: figures.encode_stats(figures.decode_stats(body)),
    Kind.FAULT: lambda body: faults.encode_fault(faults.decode_fault(body)),
}
"""What reads a body and writes what was read."""


def again(data: bytes) -> bytes:
    (frame,) = Splitter().feed(data)
    kind = Kind(frame.kind)
    return encode_frame(kind, frame.request, AGAIN[kind](frame.body), last=frame.last)
