"""Golden record batches."""

from mmsb.schemas.batches import CONTROL, TRANSACTIONAL, Record, decode_batch, encode_batch

TIME = 1_700_000_000_000

FILES = {
    "one.bin": lambda: encode_batch(0, [Record(b"key", b"value", TIME)]),
    "nulls_and_empties.bin": lambda: encode_batch(
        41,
        [
            Record(None, b"", TIME),
            Record(b"", None, TIME - 100),
            Record(None, None, TIME + 250, (("name", b"value"), ("null", None), ("", b""))),
        ],
    ),
    "many.bin": lambda: encode_batch(2**40, [Record(None, bytes([i % 256]) * i, TIME + i**3) for i in range(150)]),
    "transactional.bin": lambda: encode_batch(7, [Record(b"k", b"v", TIME)], transactional=True),
    "control.bin": lambda: encode_batch(8, [Record(bytes(4), bytes(6), TIME)], control=True, transactional=True),
    "extreme_times.bin": lambda: encode_batch(2**63 - 2, [Record(None, b"", -(2**62)), Record(None, b"", 2**62 - 1)]),
}


def again(data: bytes) -> bytes:
    records, end = decode_batch(data)
    assert end == len(data)
    flags = records.flags[0]
    return encode_batch(
        records.first,
        list(records),
        control=bool(flags & CONTROL),
        transactional=bool(flags & TRANSACTIONAL),
    )
