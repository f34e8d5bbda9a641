"""Blocks and quarantines, encoded and decoded with every check that needs no state: formats.md, section 10."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.model import constants, metadata
from tests.model.constants import APPLIED, DUPLICATE, NOOP, QUARANTINED, REJECTED
from tests.model.deltas import Delta
from tests.model.intents import FOLLOW_UP, OUTSIDE, Source
from tests.model.layout import padded
from tests.model.rows import decode_row
from tests.model.tlog import BLOCK, Header, Invalid, decode_header, kind_of, require

NO_TYPE = 65535


@dataclass
class Entry:
    """One offset of a block."""

    status: int
    type_id: int | None = None
    clock: int | None = None  # if it rose here
    id: bytes | None = None
    source: Source | None = None
    metadata: bytes = b""
    first: int | None = None  # of a duplicate
    row: bytes | None = None
    deltas: list[Delta] = field(default_factory=list)
    follow_ups: list[tuple[int, int, bytes]] = field(default_factory=list)  # target, number, packed intent


@dataclass
class Block:
    header: Header
    entries: list[Entry]
    kind: int = BLOCK


def entries_of(outcomes: list[Any], clock_before: int) -> list[Entry]:
    """A machine's outcomes as a block records them."""
    entries = []
    for out in outcomes:
        entry = Entry(out.status, out.intent_type, None, out.id, out.source, out.metadata)
        if out.clock > clock_before:
            entry.clock = clock_before = out.clock
        if out.status == DUPLICATE:
            entry.first = out.first
        if out.row:
            entry.row = out.row.encode()
        entry.deltas = out.deltas
        entry.follow_ups = [(f.target, f.number, f.value) for f in out.follow_ups]
        entries.append(entry)
    return entries


def encode_block(block: Block) -> bytes:
    entries = block.entries
    named = {e.type_id for e in entries if e.type_id is not None}
    types = sorted(named | {d.type_id for e in entries for d in e.deltas})
    place = {type_id: index for index, type_id in enumerate(types)}
    outcomes = bytes(
        e.status | (e.id is not None) << 3 | (e.source is not None) << 4 | bool(e.metadata) << 5 for e in entries
    )
    intent_types = [NO_TYPE if e.type_id is None else place[e.type_id] for e in entries]
    clocks = [struct.pack("<IIq", i, 0, e.clock) for i, e in enumerate(entries) if e.clock is not None]
    sources = [
        struct.pack("<16sqIB3x", e.source.source, e.source.number, e.source.hops, e.source.kind)
        for e in entries
        if e.source is not None
    ]
    deltas = [
        struct.pack("<IHBBqII", i, place[d.type_id], d.kind, 0, d.base, len(d.key), len(d.payload))
        for i, e in enumerate(entries)
        for d in e.deltas
    ]
    payload = b"".join(d.key + d.payload for e in entries for d in e.deltas)
    follow_ups = [
        struct.pack("<IIQII", i, target, number, len(value), 0)
        for i, e in enumerate(entries)
        for target, number, value in e.follow_ups
    ]
    follow_up_bytes = b"".join(value for e in entries for _, _, value in e.follow_ups)
    blocks = b"".join(e.metadata for e in entries)
    ids = [e.id for e in entries if e.id is not None]
    duplicates = [e.first.to_bytes(8, "little", signed=True) for e in entries if e.first is not None]
    rows = [e.row for e in entries if e.row is not None]
    columns: list[list[Any]] = [types, clocks, ids, sources, duplicates, rows, deltas, follow_ups]
    counts = [*map(len, columns), len(blocks), len(payload), len(follow_up_bytes), 0]
    sections = (
        struct.pack(f"<{len(types)}Q", *types),
        outcomes,
        struct.pack(f"<{len(entries)}H", *intent_types),
        b"".join(clocks),
        b"".join(ids),
        b"".join(sources),
        b"".join(duplicates),
        b"".join(rows),
        b"".join(deltas),
        b"".join(follow_ups),
        blocks,
        payload,
        follow_up_bytes,
    )
    head = block.header.encode(block.kind) + struct.pack("<12I", *counts)
    return head + b"".join(padded(section) for section in sections)


class _Sections:
    def __init__(self, value: bytes) -> None:
        self.value, self.at = value, 152

    def take(self, size: int) -> bytes:
        section = self.value[self.at : self.at + size]
        end = self.at + len(padded(bytes(size)))
        require(end <= len(self.value) and not any(self.value[self.at + size : end]), "a section's size or padding")
        self.at = end
        return section

    def rows(self, count: int, layout: str) -> list[tuple]:
        return list(struct.iter_unpack(layout, self.take(count * struct.calcsize(layout))))


def decode_block(value: bytes) -> Block:
    """A block or a quarantine."""
    header, kind = decode_header(value), kind_of(value)
    n = header.last - header.first + 1
    require(value[6:8] == b"\0\0" and len(value) <= constants.BLOCK_BYTES_MAX, "zero or size")
    require(header.first >= 0 and 1 <= n <= constants.BLOCK_INTENTS_MAX, "offsets")
    require(kind == BLOCK or n == 1, "a quarantine settles one offset")
    counts = struct.unpack_from("<12I", value, 104)
    sizes = counts[8:11]
    row_sizes = (8, 16, 16, 32, 8, 32, 24, 24)
    require(counts[11] == 0, "zero")
    total = sum(count * size for count, size in zip(counts[:8], row_sizes, strict=True)) + 3 * n + sum(sizes)
    require(total <= len(value), "counts")
    read = _Sections(value)
    types = [row[0] for row in read.rows(counts[0], "<Q")]
    outcomes = read.take(n)
    intent_types = [row[0] for row in read.rows(n, "<H")]
    clocks = read.rows(counts[1], "<IIq")
    ids = [row[0] for row in read.rows(counts[2], "<16s")]
    sources = read.rows(counts[3], "<16sqIB3s")
    duplicates = [row[0] for row in read.rows(counts[4], "<q")]
    rows = [row[0] for row in read.rows(counts[5], "<32s")]
    delta_rows = read.rows(counts[6], "<IHBBqII")
    follow_rows = read.rows(counts[7], "<IIQII")
    blocks, payload, follow_ups = (read.take(size) for size in sizes)
    require(read.at == len(value), "bytes left over")

    require(all(a < b for a, b in pairwise(types)), "types do not rise")
    used = {index for index in intent_types if index != NO_TYPE} | {row[1] for row in delta_rows}
    require(used == set(range(len(types))), "types not used, or not there")
    entries = _read_entries(kind, outcomes, (ids, sources, duplicates, rows), blocks)
    for offset, entry in enumerate(entries, header.first):
        if entry.first is not None:
            known = entry.source if entry.first == -1 else entry.id
            require(-1 <= entry.first < offset and known is not None, "a duplicate of nothing earlier")
    for entry, index in zip(entries, intent_types, strict=True):
        entry.type_id = None if index == NO_TYPE else types[index]
    before = -1
    for index, zero, clock in clocks:
        require(before < index < n and zero == 0, "clock rows")
        entries[index].clock, before = clock, index
    _read_deltas(entries, types, delta_rows, payload)
    _read_follow_ups(entries, follow_rows, follow_ups)
    block = Block(header, entries, kind)
    require(encode_block(block) == value, "not canonical")
    return block


Columns = tuple[list[bytes], list[tuple], list[int], list[bytes]]


def _next(left: Iterator[Any]) -> Any:
    for row in left:
        return row
    raise Invalid("a column is too short")


def _read_entries(kind: int, outcomes: bytes, columns: Columns, blocks: bytes) -> list[Entry]:
    entries = []
    ids, sources, duplicates, rows = (iter(column) for column in columns)
    allowed = (APPLIED, REJECTED, DUPLICATE, NOOP) if kind == BLOCK else (QUARANTINED,)
    at = 0
    for bits in outcomes:
        entry = Entry(bits & 7)
        require(entry.status in allowed and bits < 64, "an outcome")
        if bits & 8:
            entry.id = _next(ids)
        if bits & 16:
            entry.source = _read_source(*_next(sources))
        if bits & 32:
            require(at + 8 <= len(blocks), "metadata")
            entry.metadata = blocks[at : at + struct.unpack_from("<I", blocks, at + 4)[0]]
            try:
                metadata.decode(entry.metadata)
            except metadata.BadMetadata as bad:
                raise Invalid(str(bad)) from None
            at += len(entry.metadata)
        if entry.status == DUPLICATE:
            entry.first = _next(duplicates)
        if entry.status == REJECTED:
            row = _next(rows)
            try:
                decode_row(row)
            except ValueError as bad:
                raise Invalid(str(bad)) from None
            entry.row = row
        entries.append(entry)
    require(at == len(blocks), "metadata left over")
    for left in (ids, sources, duplicates, rows):
        require(next(left, None) is None, "rows left over")
    return entries


def _read_source(name: bytes, number: int, hops: int, kind: int, zeros: bytes) -> Source:
    require(zeros == bytes(3) and number >= 1 and kind in (FOLLOW_UP, OUTSIDE), "a source")
    require((hops == 0) == (kind == OUTSIDE), "hops")
    return Source(kind, name, number, hops)


def _read_deltas(entries: list[Entry], types: list[int], rows: list[tuple], payload: bytes) -> None:
    at = before = 0
    for index, type_index, kind, zero, base, key_size, size in rows:
        require(before <= index < len(entries) and zero == 0, "delta index")
        entry = entries[index]
        require(entry.status == APPLIED and len(entry.deltas) < constants.PAGES_PER_INTENT_MAX, "whose delta?")
        key, content = payload[at : at + key_size], payload[at + key_size : at + key_size + size]
        require(len(key) == key_size and len(content) == size, "payload")
        require((types[type_index], key) not in [(d.type_id, d.key) for d in entry.deltas], "a page twice")
        entry.deltas.append(Delta(types[type_index], kind, key, base, content))
        at, before = at + key_size + size, index
    require(at == len(payload), "payload left over")


def _read_follow_ups(entries: list[Entry], rows: list[tuple], follow_ups: bytes) -> None:
    at = before = 0
    for index, target, number, size, zero in rows:
        require(before <= index < len(entries) and zero == 0, "follow-up index")
        entry = entries[index]
        limit = {APPLIED: constants.FOLLOW_UPS_PER_INTENT_MAX, REJECTED: 1}.get(entry.status, 0)
        require(len(entry.follow_ups) < limit, "whose follow-up?")
        value = follow_ups[at : at + size]
        require(len(value) == size, "follow-up")
        entry.follow_ups.append((target, number, value))
        at, before = at + size, index
    require(at == len(follow_ups), "follow-ups left over")
