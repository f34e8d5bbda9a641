"""Records from columns are, to the byte, those of mmsb.schemas.batches, wherever a length or an index grows."""

from random import Random

import numpy as np
import pytest

from mmsb.kernels import record_writer as writer
from mmsb.processors.intake import bytes_of
from mmsb.schemas.batches import Record, encode_batch

BATCH_HEADER_BYTES = 61
HEADER = b"\x02\x06tag\x14"  # one header, its name, and a value of ten bytes
MARK_BYTES = 10
GUARD = 0xA5

Shape = tuple[int, int, bool]  # sizes of key and value, and whether the key has a prefix


def make(shapes: list[Shape], seed: int) -> tuple[np.ndarray, bytes, bytes, list[Record]]:
    """Columns over a buffer, marks, and the same records as objects."""
    rng, buffer, columns, records, marks = Random(seed), bytearray(), list[list[int]](), list[Record](), bytearray()
    for key_size, value_size, prefixed in shapes:
        prefix, key, value = rng.randbytes(8 * prefixed), rng.randbytes(key_size), rng.randbytes(value_size)
        mark = rng.randbytes(MARK_BYTES)
        prefix_at = len(buffer) if prefixed else writer.NO_PREFIX
        buffer += prefix + rng.randbytes(rng.randrange(3))
        key_at = len(buffer)
        buffer += key + rng.randbytes(rng.randrange(3))
        columns.append([len(buffer), value_size, key_at, key_size, prefix_at])
        buffer += value
        marks += mark
        records.append(Record(prefix + key, value, 5, (("tag", mark),)))
    return np.array(columns, np.int64).reshape(-1, writer.ROWS).T.copy(), bytes(buffer), bytes(marks), records


def write(columns: np.ndarray, buffer: bytes, marks: bytes, room: int, first: int = 0) -> tuple[int, bytes]:
    target = np.full(room, GUARD, np.uint8)
    count, end = writer.write_records(
        target, 3, columns, first, bytes_of(buffer), bytes_of(HEADER), bytes_of(marks), MARK_BYTES
    )
    assert (target[:3] == GUARD).all()
    assert (target[end:] == GUARD).all(), "nothing is written behind the last record"
    return count, target[3:end].tobytes()


@pytest.mark.parametrize("seed", range(20))
def test_records_are_those_of_the_exact_encoder(seed: int) -> None:
    rng = Random(seed)
    sizes = (0, 1, 7, 8, 9, 31, 32, 63, 64, 65, 200, 8_191, 8_192, 20_000)
    shapes = [(rng.choice(sizes[:11]), rng.choice(sizes), rng.random() < 0.5) for _ in range(rng.choice((1, 64, 150)))]
    columns, buffer, marks, records = make(shapes, seed)
    expected = encode_batch(0, records)[BATCH_HEADER_BYTES:]
    assert write(columns, buffer, marks, len(expected) + 9) == (len(records), expected)
    assert write(columns, buffer, marks, len(expected) + 3) == (len(records), expected), "it fits exactly"


@pytest.mark.parametrize("missing", [1, 5, 40, 10_000])
def test_what_has_no_room_is_left_for_the_next_batch(missing: int) -> None:
    columns, buffer, marks, records = make([(8, 100, True)] * 200, 1)
    room = len(encode_batch(0, records)) - BATCH_HEADER_BYTES - missing + 3
    count, found = write(columns, buffer, marks, room)
    assert 0 < count < len(records)
    assert found == encode_batch(0, records[:count])[BATCH_HEADER_BYTES:]
    assert len(encode_batch(0, records[: count + 1])) - BATCH_HEADER_BYTES > room - 3, "one more does not fit"
    rest, behind = write(columns, buffer, marks, 100_000, count)
    assert (rest, behind) == (200 - count, encode_batch(0, records[count:])[BATCH_HEADER_BYTES:])


def test_where_nothing_fits_nothing_is_written() -> None:
    columns, buffer, marks, _ = make([(8, 100, True)], 1)
    assert write(columns, buffer, marks, 100) == (0, b"")


def test_an_index_may_take_three_bytes() -> None:
    columns, buffer, marks, records = make([(0, 1, False)] * 8_194, 1)
    count, found = write(columns, buffer, marks, 400_000)
    assert (count, found) == (8_194, encode_batch(0, records)[BATCH_HEADER_BYTES:])
