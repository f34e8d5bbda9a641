"""Golden batches as they go into the events and rejects topics."""

from dataclasses import replace

import numpy as np

from mmsb.processors.outputs import Output, packed_events, packed_rejects
from mmsb.processors.packed_events import PackedEvents
from mmsb.processors.packed_rejects import ROW
from mmsb.schemas.batches import decode_batch, encode_batch
from mmsb.schemas.tlog.genesis import Genesis
from tests.golden.events import CHANGED, CREATED, DELETED
from tests.golden.rejects import BOUND

GENESIS = Genesis(bytes(range(16)), "bank", partition_count=4, partition=3)
TIME_MS = 1_700_000_000_000


def _events() -> Output:
    events = [replace(event, partition=3).pack() for event in (CREATED, CHANGED, DELETED)]
    starts = np.cumsum([0, *(len(event) // 8 for event in events)])
    return packed_events([PackedEvents(np.frombuffer(b"".join(events), np.uint64), starts)], GENESIS, -1)


def _rejects() -> Output:
    return packed_rejects(np.frombuffer(BOUND.pack(), ROW), GENESIS, -1)


FILES = {
    "events.bin": lambda: next(_events().batches(TIME_MS)),
    "rejects.bin": lambda: next(_rejects().batches(TIME_MS)),
}


def again(data: bytes) -> bytes:
    records, end = decode_batch(data)
    assert end == len(data)
    return encode_batch(0, list(records))
