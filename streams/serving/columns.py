"""Many intents on their way to the owner, and what became of them on the way back: columns, in chunks of bounded size.

Each chunk is settled by itself. Apart from submissions.py because this loads NumPy.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.batching import Intents
from mmsb.processors.receipts import NO_OFFSET, Receipts, concat_receipts
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.envelopes import HEADER
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.limits import INTENT_BYTES_MAX, PARTITIONS_MAX
from mmsb.schemas.metadata import unpack_metadata
from mmsb.schemas.rejections import ROW_BYTES, Refused, unpack_rejection
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.statuses import Status
from mmsb.streams.grouping import parts_of
from mmsb.streams.serving.bodies import Body, padded
from mmsb.streams.serving.frames import FRAME_BYTES_MAX

CHUNK_BYTES: Final = 1 << 20  # of intents in a chunk: larger costs the owner's memory, smaller its time
CHUNK_ROWS_MAX: Final = 65_536  # so that the receipts of a chunk fit into a frame; on the wire

_MANY: Final = struct.Struct("<QIHBBII")  # type, rows, words of arguments, has ids, has sources, metadata, zero
_VALUES: Final = struct.Struct("<II")  # count, zero
ONE_VALUE_BYTES: Final = _VALUES.size + 8 + 8  # what there is around a single one: its size and padding
_COLUMNS: Final = struct.Struct("<IIII")  # rows, rejections, has partitions, zero
_REJECTION: Final = np.dtype(f"V{ROW_BYTES}")

Words = NDArray[np.uint64]

assert CHUNK_ROWS_MAX * (8 + 8 + 1 + 4 + ROW_BYTES) + _COLUMNS.size <= FRAME_BYTES_MAX


def chunks_of(intents: Intents) -> Iterator[Intents]:
    """Parts of it, in order, that fit into a frame each."""
    width = intents.layout.size + ID_BYTES * (intents.ids is not None) + SOURCE_BYTES * (intents.sources is not None)
    rows = min(max(CHUNK_BYTES // max(width, 1), 1), CHUNK_ROWS_MAX)
    for start in range(0, len(intents), rows):
        yield intents.slice(start, min(start + rows, len(intents)))


def encode_intents(intents: Intents) -> bytes:
    named = (b"" if some is None else some.tobytes() for some in (intents.ids, intents.sources))
    fixed = _MANY.pack(
        intents.layout.type_id, len(intents), intents.layout.size // 8, intents.ids is not None,
        intents.sources is not None, len(intents.metadata), 0,
    )  # fmt: skip
    return b"".join((fixed, intents.arguments.tobytes(), *named, intents.metadata))


def decode_intents(body: bytes, descriptor: Descriptor) -> Intents:
    """A chunk. Its class is one that the owner knows, else InvalidValue."""
    reader = Body("intents", body)
    type_id, rows, words, has_ids, has_sources, metadata_size, zero = reader.fixed(_MANY)
    reader.check(1 <= rows <= CHUNK_ROWS_MAX, f"1 to {CHUNK_ROWS_MAX} rows", rows)
    flags = f"{has_ids}, {has_sources}, {zero}"
    reader.check(has_ids <= 1 and has_sources <= 1 and not zero, "0 or 1 twice, and zero", flags)
    value_bytes = HEADER.size + 8 * words + ID_BYTES * has_ids + SOURCE_BYTES * has_sources + metadata_size
    reader.check(value_bytes <= INTENT_BYTES_MAX, f"intents of up to {INTENT_BYTES_MAX} bytes", value_bytes)
    arguments = np.frombuffer(reader.take(8 * words * rows), np.uint64).reshape(rows, words)
    ids = np.frombuffer(reader.take(ID_BYTES * rows), np.uint64).reshape(rows, 2) if has_ids else None
    sources = _read_sources(reader, rows) if has_sources else None
    metadata = reader.take(metadata_size)
    reader.end()
    if metadata:
        try:
            unpack_metadata(metadata)
        except Refused:
            reader.check(False, "metadata", "other bytes")
    return Intents(known_layout(descriptor, type_id, 8 * words), arguments, ids, metadata, sources)


def _read_sources(reader: Body, rows: int) -> Words:
    words = np.frombuffer(reader.take(SOURCE_BYTES * rows), np.uint64).reshape(rows, SOURCE_BYTES // 8)
    numbers = words[:, 2].view(np.int64)
    reader.check(bool((numbers >= 1).all()) and not words[:, 3].any(), "numbers from 1 of outside sources", "others")
    return words


def parts_of_values(values: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Parts of it, in order, that fit into a frame each."""
    for part in parts_of(values, CHUNK_BYTES):
        for start in range(0, len(part), CHUNK_ROWS_MAX):
            yield part[start : start + CHUNK_ROWS_MAX]


def encode_values(values: Sequence[bytes]) -> bytes:
    sizes = np.array([len(value) for value in values], "<u4")
    return b"".join((_VALUES.pack(len(values), 0), padded(sizes.tobytes()), padded(b"".join(values))))


def decode_values(body: bytes) -> list[bytes]:
    reader = Body("intents", body)
    count, zero = reader.fixed(_VALUES)
    reader.check(1 <= count <= CHUNK_ROWS_MAX and not zero, f"1 to {CHUNK_ROWS_MAX} intents, and zero", count)
    ends = np.cumsum(np.frombuffer(reader.take(4 * count), "<u4"), dtype=np.int64).tolist()
    data = reader.take(ends[-1])
    reader.end()
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def known_layout(descriptor: Descriptor, type_id: int, size: int) -> IntentLayout:
    """The layout that the owner knows an intent by."""
    layout = descriptor.layouts_by_type.get(type_id)
    if not isinstance(layout, IntentLayout) or layout.size != size:
        raise InvalidValue(
            f"submit_many: the owner of the folder runs code without an intent of type {type_id:016x}; run the same "
            "code on both sides"
        )
    return layout


def encode_receipts(receipts: Receipts) -> bytes:
    fixed = _COLUMNS.pack(len(receipts), len(receipts.rejections), receipts.partitions is not None, 0)
    partitions = b"" if receipts.partitions is None else padded(receipts.partitions.astype("<u4").tobytes())
    return b"".join(
        (
            fixed,
            receipts.offsets.astype("<i8").tobytes(),
            receipts.first_offsets.astype("<i8").tobytes(),
            padded(receipts.statuses.tobytes()),
            partitions,
            receipts.rejections.tobytes(),
        )
    )


def decode_receipts(body: bytes) -> Receipts:
    reader = Body("receipts", body)
    rows, rejected, has_partitions, zero = reader.fixed(_COLUMNS)
    reader.check(1 <= rows <= CHUNK_ROWS_MAX and rejected <= rows, f"1 to {CHUNK_ROWS_MAX} rows", f"{rows}, {rejected}")
    reader.check(has_partitions <= 1 and not zero, "0 or 1, and zero", f"{has_partitions}, {zero}")
    offsets = np.frombuffer(reader.take(8 * rows), "<i8")
    firsts = np.frombuffer(reader.take(8 * rows), "<i8")
    statuses = np.frombuffer(reader.take(rows), np.uint8)
    partitions = np.frombuffer(reader.take(4 * rows), "<u4").astype(np.int64) if has_partitions else None
    rejections = np.frombuffer(reader.take(ROW_BYTES * rejected), _REJECTION)
    reader.end()
    rising = partitions is not None or bool((np.diff(offsets) > 0).all())
    reader.check(rising and int(offsets.min()) >= 0, "offsets, rising in one partition", "others")
    placed = partitions is None or int(partitions.max()) < PARTITIONS_MAX
    reader.check(placed, f"partitions below {PARTITIONS_MAX}", "others")
    reader.check(bool(np.isin(statuses, list(Status)).all()), "known statuses", "others")
    reader.check(np.count_nonzero(statuses == Status.REJECTED) == rejected, "a row for each rejection", rejected)
    plain = firsts[statuses != Status.DUPLICATE] == NO_OFFSET
    reader.check(bool(plain.all() and (firsts >= NO_OFFSET).all()), "first offsets of duplicates", "others")
    _check_rejections(rejections.tobytes())
    return Receipts(offsets, statuses, firsts, rejections, partitions)


def join_receipts(parts: Sequence[Receipts]) -> Receipts:
    """Those of chunks, in the order in which they were submitted."""
    if any(part.partitions is None for part in parts) or not parts:
        return concat_receipts(parts)
    return Receipts(
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.statuses for part in parts]),
        np.concatenate([part.first_offsets for part in parts]),
        np.concatenate([part.rejections for part in parts]),
        np.concatenate([part.partitions for part in parts if part.partitions is not None]),
    )


def _check_rejections(rows: bytes) -> None:
    """Equal rows are common: each is looked at once."""
    cut = {rows[at : at + ROW_BYTES] for at in range(0, len(rows), ROW_BYTES)}
    for row in cut:
        unpack_rejection(row)
