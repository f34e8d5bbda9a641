"""The follow-ups of a block that counts, without reading the rest of it."""

from collections.abc import Iterator

from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    COUNTS,
    DELTA_ROW,
    FIXED,
    FOLLOW_UP_ROW,
    HEADER_BYTES,
    FollowUpRow,
    malformed,
    unpack_block_header,
)
from mmsb.schemas.types import padded


def count_follow_ups(sections: bytes | memoryview) -> int:
    """How many there are in a block, of which these are the bytes behind the fixed part of the header."""
    return int(COUNTS.unpack_from(sections)[7])


def read_follow_ups(value: bytes) -> Iterator[FollowUpRow]:
    """Those of a block that counts, in order."""
    header = unpack_block_header(value)
    if header is None:
        raise malformed("a block", f"{len(value)} bytes", 0)
    types_n, rises_n, ids_n, sources_n, duplicates_n, rejections_n, deltas_n, sent_n, *sizes = COUNTS.unpack_from(
        value, FIXED.size
    )
    metadata_size, payload_size = sizes[0], sizes[1]
    count = header.last - header.first + 1
    rows_at = HEADER_BYTES + 8 * types_n + padded(count) + padded(2 * count) + CLOCK_ROW.size * rises_n
    rows_at += ID_BYTES * ids_n + SOURCE_BYTES * sources_n + 8 * duplicates_n + ROW_BYTES * rejections_n
    rows_at += DELTA_ROW.size * deltas_n
    at = rows_at + FOLLOW_UP_ROW.size * sent_n + metadata_size + payload_size
    for row in range(sent_n):
        index, target, number, size, _ = FOLLOW_UP_ROW.unpack_from(value, rows_at + FOLLOW_UP_ROW.size * row)
        yield FollowUpRow(index, target, number, value[at : at + size])
        at += size
