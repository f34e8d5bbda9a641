"""Golden beginnings of trimmed logs."""

from mmsb.streams.log.begin import decode_begin, encode_begin

FILES = {
    "first.bin": lambda: encode_begin(1),
    "far.bin": lambda: encode_begin(2**40 + 17),
}


def again(data: bytes) -> bytes:
    return encode_begin(decode_begin(data))
