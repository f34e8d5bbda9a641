"""Golden durable marks, both slots each."""

from mmsb.streams.log.mark import SLOT_BYTES, Durable, decode_mark, encode_slot

FILES = {
    "first.bin": lambda: bytes(SLOT_BYTES) + encode_slot(1, Durable(1, 0)),
    "second.bin": lambda: encode_slot(2, Durable(2**40, 17)) + encode_slot(1, Durable(1, 0)),
    "third.bin": lambda: encode_slot(2, Durable(2**40, 17)) + encode_slot(3, Durable(2**40 + 1, 18)),
}


def again(data: bytes) -> bytes:
    """A mark says only what is newest; the older slot stays."""
    sequence, durable = decode_mark(data)
    slots = [data[:SLOT_BYTES], data[SLOT_BYTES:]]
    slots[sequence % 2] = encode_slot(sequence, durable)
    return b"".join(slots)
