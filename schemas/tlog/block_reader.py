"""Reads blocks, trusting nothing: whatever an encoder would not have written is malformed."""

import struct
from collections.abc import Iterator
from typing import Final

from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.limits import BLOCK_BYTES_MAX, BLOCK_INTENTS_MAX, FOLLOW_UPS_PER_INTENT_MAX, PAGES_PER_INTENT_MAX
from mmsb.schemas.metadata import unpack_metadata
from mmsb.schemas.rejections import ROW_BYTES, Refused, unpack_rejection
from mmsb.schemas.sources import FOLLOW_UP, SOURCE_BYTES, unpack_source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    COUNTS,
    DELTA_ROW,
    FIXED,
    FOLLOW_UP_ROW,
    HAS_ID,
    HAS_METADATA,
    HAS_SOURCE,
    HEADER_BYTES,
    NO_TYPE,
    STATUS_BITS,
    Block,
    BlockHeader,
    DeltaRow,
    FollowUpRow,
    OutcomeRow,
    malformed,
    unpack_block_header,
)
from mmsb.schemas.tlog.records import TlogKind
from mmsb.schemas.types import padded

_METADATA_HEADER: Final = struct.Struct("<HHI")


def unpack_block(value: bytes) -> Block:
    """A block or quarantine, checked as far as that is possible without the state before it."""
    header = unpack_block_header(value)
    if header is None or len(value) > BLOCK_BYTES_MAX:
        raise malformed(f"{HEADER_BYTES} to {BLOCK_BYTES_MAX} bytes of ours", len(value), 0)
    if header.kind == TlogKind.MIGRATE:
        raise malformed("a block or quarantine", "a migrate", 4)
    count = header.last - header.first + 1
    if not 1 <= count <= BLOCK_INTENTS_MAX or header.first < 0:
        raise malformed(f"1 to {BLOCK_INTENTS_MAX} offsets", f"{header.first} to {header.last}", 56)
    if value[6:8] != bytes(2) or COUNTS.unpack_from(value, FIXED.size)[-1]:
        raise malformed("zero", "something else", 6)
    block = _Reader(value, header, count).block()
    if block.pack() != value:
        raise malformed("the bytes that an encoder writes", "others for the same content", 0)
    return block


class _Reader:
    """Takes the sections one after another."""

    def __init__(self, value: bytes, header: BlockHeader, count: int) -> None:
        self._value = value
        self._header = header
        self._count = count
        self._at = HEADER_BYTES
        counts = COUNTS.unpack_from(value, FIXED.size)
        self._types_n, self._rises_n, self._ids_n, self._sources_n, self._duplicates_n = counts[:5]
        self._rejections_n, self._deltas_n, self._follow_ups_n = counts[5:8]
        self._metadata_size, self._payload_size, self._sent_size = counts[8:11]

    def _take(self, size: int) -> bytes:
        end = self._at + padded(size)
        if end > len(self._value):
            raise malformed(f"a section of {size} bytes", f"{len(self._value) - self._at} bytes", self._at)
        part = self._value[self._at : self._at + size]
        self._at = end
        return part

    def _rows(self, count: int, size: int) -> list[bytes]:
        data = self._take(count * size)
        return [data[at : at + size] for at in range(0, len(data), size)]

    def block(self) -> Block:
        types = struct.unpack(f"<{self._types_n}Q", self._take(8 * self._types_n))
        flags = self._take(self._count)
        known = struct.unpack(f"<{self._count}H", self._take(2 * self._count))
        rises = self._rises()
        outcomes = self._outcomes(types, flags, known)
        deltas = self._rows(self._deltas_n, DELTA_ROW.size)
        follow_ups = self._rows(self._follow_ups_n, FOLLOW_UP_ROW.size)
        blocks = self._take(self._metadata_size)
        outcomes = self._with_metadata(outcomes, flags, blocks)
        block = Block(
            self._header,
            outcomes,
            rises,
            list(self._deltas(deltas, types, outcomes)),
            list(self._sent(follow_ups, outcomes)),
        )
        if self._at != len(self._value):
            raise malformed("nothing after the last section", f"{len(self._value) - self._at} bytes", self._at)
        return block

    def _rises(self) -> list[tuple[int, int]]:
        rises: list[tuple[int, int]] = []
        for row in self._rows(self._rises_n, CLOCK_ROW.size):
            index, _, clock = CLOCK_ROW.unpack(row)
            if index >= self._count or clock <= 0 or (rises and not (index > rises[-1][0] and clock > rises[-1][1])):
                raise malformed("clock rows that rise within the block", (index, clock), self._at)
            rises.append((index, clock))
        if rises and rises[-1][1] != self._header.clock:
            raise malformed(f"the clock to end at {self._header.clock}", rises[-1][1], 72)
        return rises

    def _outcomes(self, types: tuple[int, ...], flags: bytes, known: tuple[int, ...]) -> list[OutcomeRow]:
        ids = iter(self._rows(self._ids_n, ID_BYTES))
        sources = iter(self._rows(self._sources_n, SOURCE_BYTES))
        duplicates = iter(self._rows(self._duplicates_n, 8))
        rejections = iter(self._rows(self._rejections_n, ROW_BYTES))
        rows: list[OutcomeRow] = []
        try:
            for flag, number in zip(flags, known, strict=True):
                status = self._status(flag)
                row = OutcomeRow(
                    status,
                    None if number == NO_TYPE else types[number],
                    next(ids) if flag & HAS_ID else None,
                    unpack_source(next(sources)) if flag & HAS_SOURCE else None,
                    b"",
                    int.from_bytes(next(duplicates), "little", signed=True) if status == Status.DUPLICATE else None,
                    unpack_rejection(next(rejections)) if status == Status.REJECTED else None,
                )
                self._check_duplicate(row, self._header.first + len(rows))
                rows.append(row)
        except (StopIteration, IndexError):
            raise malformed("as many rows as the outcomes need", "fewer", self._at) from None
        if any(next(column, None) is not None for column in (ids, sources, duplicates, rejections)):
            raise malformed("as many rows as the outcomes need", "more", self._at)
        return rows

    def _check_duplicate(self, row: OutcomeRow, offset: int) -> None:
        """It repeats the number of a source, or an id that has an earlier offset."""
        if row.first_offset is None:
            return
        repeated = row.source if row.first_offset == -1 else row.id
        if not -1 <= row.first_offset < offset or repeated is None:
            raise malformed("a duplicate of a number or of an earlier id", row.first_offset, self._at)

    def _status(self, flag: int) -> Status:
        quarantine = self._header.kind == TlogKind.QUARANTINE
        bits = flag & STATUS_BITS
        if flag >> 6 or not 1 <= bits <= Status.QUARANTINED or (bits == Status.QUARANTINED) != quarantine:
            raise malformed("an outcome of this kind of record", flag, self._at)
        if quarantine and self._count != 1:
            raise malformed("a quarantine of one offset", self._count, 56)
        return Status(bits)

    def _with_metadata(self, outcomes: list[OutcomeRow], flags: bytes, data: bytes) -> list[OutcomeRow]:
        at = 0
        rows: list[OutcomeRow] = []
        for row, flag in zip(outcomes, flags, strict=True):
            size = 0
            if flag & HAS_METADATA:
                size = _METADATA_HEADER.unpack_from(data, at)[2] if at + 8 <= len(data) else -1
                self._check_metadata(data[at : at + size] if size > 0 else b"")
            block = data[at : at + size]
            rows.append(OutcomeRow(row.status, row.type_id, row.id, row.source, block, row.first_offset, row.rejection))
            at += size
        if at != len(data):
            raise malformed("metadata for the outcomes that have it", f"{len(data) - at} bytes more", self._at)
        return rows

    def _check_metadata(self, block: bytes) -> None:
        try:
            unpack_metadata(block)
        except Refused as refused:
            raise malformed("a metadata block", refused.rejection.code.name.lower(), self._at) from None

    def _deltas(self, rows: list[bytes], types: tuple[int, ...], outcomes: list[OutcomeRow]) -> Iterator[DeltaRow]:
        payload = self._take(self._payload_size)
        at, before = 0, -1
        pages: set[tuple[int, bytes]] = set()  # of the intent at hand
        for row in rows:
            index: int
            number: int
            index, number, kind, zero, base, key_size, size = DELTA_ROW.unpack(row)
            if not before <= index < self._count or number >= len(types) or zero or (key_size | size) % 8:
                raise malformed("deltas in order", (index, number, key_size, size), self._at)
            if outcomes[index].status != Status.APPLIED:
                raise malformed("deltas of applied intents", outcomes[index].status.name, self._at)
            key_end = at + key_size
            end = key_end + size
            if end > len(payload):
                raise malformed("a payload for every delta", len(payload), self._at)
            if index != before:
                pages.clear()
            page = types[number], payload[at:key_end]
            if page in pages or len(pages) == PAGES_PER_INTENT_MAX:
                raise malformed(f"one delta for each of at most {PAGES_PER_INTENT_MAX} pages", page[1].hex(), self._at)
            pages.add(page)
            yield DeltaRow(index, *page, base, kind, payload[key_end:end])
            at, before = end, index
        if at != len(payload):
            raise malformed("no payload beyond the deltas'", len(payload) - at, self._at)

    def _sent(self, rows: list[bytes], outcomes: list[OutcomeRow]) -> Iterator[FollowUpRow]:
        data = self._take(self._sent_size)
        at, before, same = 0, -1, 0
        for row in rows:
            index: int
            index, target, number, size, zero = FOLLOW_UP_ROW.unpack(row)
            same = same + 1 if index == before else 1
            if not before <= index < self._count or zero or size % 8 or same > FOLLOW_UPS_PER_INTENT_MAX:
                raise malformed("follow-ups in order", (index, target, number, size), self._at)
            if outcomes[index].status not in (Status.APPLIED, Status.REJECTED):
                raise malformed("follow-ups of applied or rejected intents", outcomes[index].status.name, self._at)
            self._check_follow_up(data[at : at + size], number)
            yield FollowUpRow(index, target, number, data[at : at + size])
            at, before = at + size, index
        if at != len(data):
            raise malformed("no bytes beyond the follow-ups'", len(data) - at, self._at)

    def _check_follow_up(self, intent: bytes, number: int) -> None:
        try:
            envelope = read_envelope(intent)
        except (Refused, MalformedBytes):
            raise malformed("a follow-up to be a packed intent", intent[:8].hex(), self._at) from None
        source = envelope.source
        if source is None or source.kind != FOLLOW_UP or source.number != number:
            raise malformed("a follow-up to carry its number", number, self._at)
        if envelope.id is not None or not envelope.metadata:
            raise malformed("a follow-up of source and metadata alone", intent[:8].hex(), self._at)
