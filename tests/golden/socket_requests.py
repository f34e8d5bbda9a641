"""Golden requests of the socket: whole frames, as a client sends them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmsb.processors.batching import Intents
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.serving import changes, columns, hello, reads
from mmsb.streams.serving.frames import Kind, Splitter, encode_frame
from tests.golden.tlog import ACCOUNT, DESCRIPTOR, TRANSFER

KEY = bytes(range(8))
PAGE = ACCOUNT.type_id, KEY
ROWS, WORDS = 3, TRANSFER.size // 8
INTENTS = Intents(
    TRANSFER,
    np.arange(ROWS * WORDS, dtype=np.uint64).reshape(ROWS, WORDS),
    np.arange(2 * ROWS, dtype=np.uint64).reshape(ROWS, 2),
)
NUMBERED = replace(INTENTS, ids=None, sources=np.array([[1, 2, 10 + row, 0] for row in range(ROWS)], np.uint64))
VALUES = [b"{}", INTENTS.value(1), b"not an intent"]

FILES = {
    "hello.bin": lambda: encode_frame(Kind.HELLO, 1, hello.encode_greeting()),
    "submit.bin": lambda: encode_frame(Kind.SUBMIT, 2, b'{"@intent":"Open"}'),
    "submit_logged.bin": lambda: encode_frame(Kind.SUBMIT_LOGGED, 2**40, b""),
    "submit_many.bin": lambda: encode_frame(Kind.SUBMIT_MANY, 3, columns.encode_intents(INTENTS)),
    "submit_many_numbered.bin": lambda: encode_frame(Kind.SUBMIT_MANY, 3, columns.encode_intents(NUMBERED)),
    "submit_values.bin": lambda: encode_frame(Kind.SUBMIT_VALUES, 3, columns.encode_values(VALUES)),
    "get.bin": lambda: encode_frame(Kind.GET, 4, reads.encode_get(1, 8, [PAGE, PAGE])),
    "get_at.bin": lambda: encode_frame(Kind.GET, 4, reads.encode_get(1, 8, [PAGE], 2**40)),
    "scan_at.bin": lambda: encode_frame(Kind.SCAN, 5, reads.encode_scan(0, 64, PAGE[0], -1)),
    "scan.bin": lambda: encode_frame(Kind.SCAN, 5, reads.encode_scan(0, 64, PAGE[0])),
    "history.bin": lambda: encode_frame(Kind.HISTORY, 6, reads.encode_history(0, 1, PAGE, 100)),
    "blame.bin": lambda: encode_frame(Kind.BLAME, 7, reads.encode_blame(0, 1, PAGE, 2)),
    "blame_byte.bin": lambda: encode_frame(Kind.BLAME, 7, reads.encode_blame(0, 1, PAGE, 2, 0)),
    "blame_page.bin": lambda: encode_frame(Kind.BLAME, 7, reads.encode_blame(0, 1, PAGE, None)),
    "events.bin": lambda: encode_frame(
        Kind.EVENTS, 8, changes.encode_events_wanted(0, 8, Position(-1, 0), EventFilter(PAGE[0], KEY, (0, 2)))
    ),
    "events_now.bin": lambda: encode_frame(Kind.EVENTS, 8, changes.encode_events_wanted(0, 8, None, EventFilter())),
    "stats.bin": lambda: encode_frame(Kind.STATS, 9, reads.encode_stream(0, 8)),
    "credit.bin": lambda: encode_frame(Kind.CREDIT, 8, reads.encode_credit(4)),
    "cancel.bin": lambda: encode_frame(Kind.CANCEL, 8),
}


def _hello(body: bytes) -> bytes:
    hello.check_greeting(body)
    return hello.encode_greeting()


AGAIN: dict[Kind, Callable[[bytes], bytes]] = {
    Kind.HELLO: _hello,
    Kind.SUBMIT: bytes,
    Kind.SUBMIT_LOGGED: bytes,
    Kind.SUBMIT_MANY: lambda body: columns.encode_intents(columns.decode_intents(body, DESCRIPTOR)),
    Kind.SUBMIT_VALUES: lambda body: columns.encode_values(columns.decode_values(body)),
    Kind.GET: lambda body: reads.encode_get(*reads.decode_get(body)),
    Kind.SCAN: lambda body: reads.encode_scan(*reads.decode_scan(body)),
    Kind.HISTORY: lambda body: reads.encode_history(*reads.decode_history(body)),
    Kind.BLAME: lambda body: reads.encode_blame(*reads.decode_blame(body)),
    Kind.EVENTS: lambda body: changes.encode_events_wanted(*changes.decode_events_wanted(body)),
    Kind.STATS: lambda body: reads.encode_stream(*reads.decode_stream(body)),
    Kind.CREDIT: lambda body: reads.encode_credit(reads.decode_credit(body)),
    Kind.CANCEL: bytes,
}
"""What reads a body and writes what was read."""


def again(data: bytes) -> bytes:
    (frame,) = Splitter().feed(data)
    kind = Kind(frame.kind)
    return encode_frame(kind, frame.request, AGAIN[kind](frame.body), last=frame.last)
