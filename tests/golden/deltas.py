"""Golden deltas: each kind where it is the smallest, and the edges of counts and words."""

import struct

from mmsb.schemas.deltas import Delta, DeltaKind, change, unpack_delta

TYPE_ID = 0x0123_4567_89AB_CDEF
KEY = struct.pack("<Q", 7)


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def delta(before: bytes, after: bytes, base: int = 41, key: bytes = KEY) -> bytes:
    return Delta(TYPE_ID, key, base, *change(before, after)).pack()


FILES = {
    "created_empty.bin": lambda: delta(bytes(16), bytes(16), base=0),
    "spans_one_word.bin": lambda: delta(bytes(64), words(0, 0, 0, 2**64 - 1, 0, 0, 0, 0)),
    "spans_two.bin": lambda: delta(bytes(800), words(1, 2, *[0] * 97, 5)),
    "mask.bin": lambda: delta(bytes(64), words(1, 0, 2, 0, 3, 0, 4, 0)),
    "mask_two_words.bin": lambda: delta(bytes(8 * 65), words(*(i % 2 * i + (i == 64) for i in range(65)))),
    "runs.bin": lambda: delta(bytes(80), words(*[9] * 4, *[8] * 5, 0), key=bytes(range(24))),
    "delete.bin": lambda: Delta(TYPE_ID, KEY, 2**63 - 1, DeltaKind.DELETE, b"").pack(),
}


def again(data: bytes) -> bytes:
    return unpack_delta(data).pack()
