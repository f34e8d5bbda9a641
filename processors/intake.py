"""Raw batches to columns: the fast way in. What it refuses, the exact decoder refuses too, and says why.

Kernels take all columns of `Records` as one array with named rows (mmsb.kernels.intake.record_batches), and bytes as an
array of one type, so that each is compiled once.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.intake import record_batches as rows
from mmsb.kernels.intake.intents_checksum import checksum_intents
from mmsb.schemas.batches import Frame, decode_batches, read_frame
from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.records import Buffer, Records

Columns = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def read_batches(buffer: Buffer) -> Records:
    """All batches of a buffer, which follow each other without a gap in bytes or offsets, as one."""
    assert len(buffer), "there is something to read"
    with suppress(MalformedBytes):
        frames = _read_frames(buffer)
        columns = np.empty((rows.ROWS, sum(frame.count for frame in frames)), np.int64)
        if _are_dense(frames) and rows.decode_batches(bytes_of(buffer), _table(frames), columns) != rows.REFUSED:
            _set_append_times(frames, columns)
            return _over(frames, columns, buffer)
    decode_batches(buffer)
    raise AssertionError("what is refused here, the exact decoder refuses")


def _read_frames(buffer: Buffer) -> list[Frame]:
    frames: list[Frame] = []
    at = 0
    while at < len(buffer):
        frames.append(read_frame(buffer, at))
        at = frames[-1].end
    return frames


def _are_dense(frames: Sequence[Frame]) -> bool:
    return all(after.first == before.first + before.count for before, after in pairwise(frames))


def _table(frames: Sequence[Frame]) -> Columns:
    """What the kernel has to know of each batch."""
    table = np.empty((rows.BATCH_ROWS, len(frames)), np.int64)
    table[rows.RECORDS_AT] = [frame.records_at for frame in frames]
    table[rows.END] = [frame.end for frame in frames]
    table[rows.COUNT] = [frame.count for frame in frames]
    table[rows.BASE_TIME] = [frame.base_time for frame in frames]
    table[rows.BATCH_FLAGS] = [frame.flags for frame in frames]
    return table


def _set_append_times(frames: Sequence[Frame], columns: Columns) -> None:
    """Give the records of a batch the time at which it was appended, where the broker wrote that."""
    start = 0
    for frame in frames:
        if frame.append_time is not None:
            columns[rows.TIME, start : start + frame.count] = frame.append_time
        start += frame.count


def _over(frames: Sequence[Frame], columns: Columns, buffer: Buffer) -> Records:
    flags = b"".join(bytes([frame.flags]) * frame.count for frame in frames)
    row: Any = columns  # rows of an array are sequences in all but name
    return Records(
        frames[0].first,
        row[rows.TIME],
        flags,
        row[rows.KEY_AT],
        row[rows.KEY_SIZE],
        row[rows.VALUE_AT],
        row[rows.VALUE_SIZE],
        row[rows.HEADERS_AT],
        buffer,
    )


def bytes_of(buffer: Buffer) -> Bytes:
    """A buffer as kernels take it: read-only, whatever it is."""
    data = np.frombuffer(buffer, np.uint8)
    data.flags.writeable = False
    return data


_SIZE: Final = np.dtype(np.int64).itemsize


def columns_of(records: Records) -> Columns:
    """All columns of records from anywhere; a column of the array for each record."""
    columns, start = find_columns(records)
    stop = start + len(records)
    return columns if (start, stop) == (0, columns.shape[1]) else np.ascontiguousarray(columns[:, start:stop])


def find_columns(records: Records) -> tuple[Columns, int]:
    """As `columns_of`, but the first record may be another column than the first, so that slices cost nothing."""
    times: Any = records.times
    if isinstance(times, np.ndarray):  # a part of a row of the array that `read_batches` made
        columns = cast(Columns, times.base)
        return columns, (times.ctypes.data - columns.ctypes.data) // _SIZE - rows.TIME * columns.shape[1]
    columns = np.empty((rows.ROWS, len(records)), np.int64)
    columns[rows.TIME] = times
    columns[rows.FLAGS] = np.frombuffer(records.flags, np.uint8)
    columns[rows.KEY_AT] = records.key_starts
    columns[rows.KEY_SIZE] = records.key_sizes
    columns[rows.VALUE_AT] = records.starts
    columns[rows.VALUE_SIZE] = records.sizes
    columns[rows.HEADERS_AT] = records.header_starts
    return columns, 0


def checksum(records: Records) -> int:
    """The checksum of intents, which the block that settles them has."""
    columns, start = find_columns(records)
    return int(checksum_intents(bytes_of(records.buffer), columns, start, start + len(records), records.first))
