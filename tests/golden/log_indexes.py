"""Golden index files of sealed segments."""

from mmsb.streams.log.index import INDEX_BYTES, SparseIndex, Summary, decode_index, encode_index


def _make(base: int, count: int, batch_bytes: int) -> bytes:
    """That of a segment of batches of 10 records and a size each."""
    index = SparseIndex()
    for number in range(count):
        index.add(base + 10 * number, batch_bytes * number)
    return encode_index(Summary(base, base + 10 * count, batch_bytes * count), index)


FILES = {
    "one.bin": lambda: _make(0, 1, 150),
    "many.bin": lambda: _make(2**40, 1000, 1000),
    "large_batches.bin": lambda: _make(7, 4, INDEX_BYTES + 1),
}


def again(data: bytes) -> bytes:
    return encode_index(*decode_index(data))
