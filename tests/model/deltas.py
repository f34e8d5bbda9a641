"""Deltas: formats.md, section 7."""

import struct
from dataclasses import dataclass

from tests.model.constants import DELTA_STATUSES
from tests.model.layout import PageLayout, padded, round_up

SPANS, MASK, RUNS, DELETE = 0, 1, 2, 3
Status = tuple[int, int]


@dataclass(frozen=True)
class Delta:
    type_id: int
    kind: int
    key: bytes
    base: int
    payload: bytes

    def encode(self) -> bytes:
        header = struct.pack("<4sBBHQqII", b"MMD\x01", self.kind, 0, len(self.key) // 8, self.type_id, self.base,
                             len(self.payload), 0)  # fmt: skip
        return header + self.key + self.payload


def decode(record: bytes) -> Delta:
    """Of a record that is not `truncated`."""
    _, kind, _, words, type_id, base, size, _ = struct.unpack_from("<4sBBHQqII", record)
    return Delta(type_id, kind, record[32 : 32 + 8 * words], base, record[32 + 8 * words : 32 + 8 * words + size])


def word_list(body: bytes) -> list[bytes]:
    return [body[at : at + 8] for at in range(0, len(body), 8)]


def _table(entries: list[tuple[int, int]]) -> bytes:
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HH", first, count) for first, count in entries)
    return padded(table)


def encode_payload(before: bytes | None, after: bytes) -> tuple[int, bytes] | None:
    """The smallest payload that turns `before` (None: no such page) into `after`; None if nothing changes."""
    old = word_list(bytes(len(after)) if before is None else before)
    new = word_list(after)
    changed = [i for i in range(len(new)) if old[i] != new[i]]
    if not changed:
        return (SPANS, bytes(8)) if before is None else None
    spans: list[tuple[int, int]] = []
    runs: list[tuple[int, int]] = []
    for i in changed:
        touches = bool(spans) and sum(spans[-1]) == i
        if touches:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((i, 1))
        if touches and new[i] == new[i - 1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((i, 1))
    words = b"".join(new[i] for i in changed)
    mask = sum(1 << i for i in changed).to_bytes(8 * round_up(len(new), 64) // 64, "little")
    candidates = [
        (SPANS, _table(spans) + words),
        (MASK, mask + words),
        (RUNS, _table(runs) + b"".join(new[first] for first, _ in runs)),
    ]
    return min(candidates, key=lambda candidate: (len(candidate[1]), candidate[0]))


def make_delta(layout: PageLayout, key: bytes, base: int, before: bytes, after: bytes | None) -> Delta | None:
    """From the page's body before (of no interest if base is 0) to the one after (None: deleted)."""
    if after is None:
        return Delta(layout.type_id, DELETE, key, base, b"") if base else None
    payload = encode_payload(before if base else None, after)
    return None if payload is None else Delta(layout.type_id, payload[0], key, base, payload[1])


def read_payload(kind: int, payload: bytes, words: int, at: int = 0) -> tuple[Status | None, dict[int, bytes]]:
    """The changed words by index, or the first status; `at` is where the payload stands in the record."""
    bad_payload = (DELTA_STATUSES["payload"], 24)
    if kind == DELETE:
        return (bad_payload if payload else None), {}
    if kind == MASK:
        return _read_mask(payload, words, at)
    if len(payload) < 2:
        return bad_payload, {}
    (count,) = struct.unpack_from("<H", payload)
    table = round_up(2 + 4 * count)
    if len(payload) < table:
        return bad_payload, {}
    changed: dict[int, bytes] = {}
    end, source = -1, table
    before: bytes | None = None
    for i in range(count):
        place = 2 + 4 * i
        first, length = struct.unpack_from("<HH", payload, place)
        too_early = first <= end if kind == SPANS else first < end
        word = payload[source : source + 8]
        same = kind == RUNS and first == end and word == before and len(word) == 8
        if length == 0 or too_early or same:
            return (DELTA_STATUSES["order"], at + place), {}
        if first + length > words:
            return (DELTA_STATUSES["bounds"], at + place), {}
        for j in range(length):
            changed[first + j] = payload[source : source + 8]
            source += 8 if kind == SPANS else 0
        source += 8 if kind == RUNS else 0
        end, before = first + length, word
    if len(payload) != source or any(payload[2 + 4 * count : table]):
        return bad_payload, {}
    return None, changed


def _read_mask(payload: bytes, words: int, at: int) -> tuple[Status | None, dict[int, bytes]]:
    size = 8 * (round_up(words, 64) // 64)
    if len(payload) < size:
        return (DELTA_STATUSES["payload"], 24), {}
    mask = int.from_bytes(payload[:size], "little")
    if mask >> words:
        return (DELTA_STATUSES["bounds"], at + size - 8), {}
    indices = [i for i in range(words) if mask >> i & 1]
    if len(payload) != size + 8 * len(indices):
        return (DELTA_STATUSES["payload"], 24), {}
    return None, {i: payload[size + 8 * n : size + 8 * n + 8] for n, i in enumerate(indices)}


def apply_words(before: bytes, changed: dict[int, bytes]) -> bytes:
    words = word_list(before)
    for i, word in changed.items():
        words[i] = word
    return b"".join(words)


def body_status(layout: PageLayout, body: bytes, bounds: bool = True) -> tuple[int, int, tuple | None]:
    """Statuses 13 and 14 with their position, and what a rejection needs: (field or None, problem)."""
    for f in layout.fields:
        raw = body[f.offset : f.offset + f.size]
        problem = f.type_problem(raw)
        if problem:
            return DELTA_STATUSES["value"], f.offset, (f, problem)
        broken = f.bound_problem(f.decode(raw)) if bounds and f.bounds else None
        if broken:
            return DELTA_STATUSES["invariant"], f.offset, (f, broken)
    padding = layout.padding_problem(body)
    if padding is not None:
        return DELTA_STATUSES["value"], padding, (None, ("bad_padding", None))
    return 0, 0, None


def structure_status(record: bytes, layouts: dict[int, PageLayout]) -> Status:
    """Statuses 1 to 11: what can be said without the page."""
    if len(record) < 32:
        return DELTA_STATUSES["truncated"], len(record)
    magic, kind, zero, words, type_id, base, size, zeros = struct.unpack_from("<4sBBHQqII", record)
    if len(record) != 32 + 8 * words + size:
        return DELTA_STATUSES["truncated"], len(record)
    if magic != b"MMD\x01":
        return DELTA_STATUSES["magic"], 0
    if kind > DELETE:
        return DELTA_STATUSES["kind"], 4
    if zero:
        return DELTA_STATUSES["zero"], 5
    if zeros:
        return DELTA_STATUSES["zero"], 28
    layout = layouts.get(type_id)
    if layout is None:
        return DELTA_STATUSES["type"], 8
    if 8 * words != layout.key_size:
        return DELTA_STATUSES["key"], 6
    at = layout.key_problem(record[32 : 32 + 8 * words])
    if at is not None:
        return DELTA_STATUSES["key"], 32 + at
    if base < 0 or (kind == DELETE and base == 0):
        return DELTA_STATUSES["base"], 16
    status, changed = read_payload(kind, record[32 + 8 * words :], layout.words, 32 + 8 * words)
    if status:
        return status
    if kind != DELETE and base > 0 and not changed:
        return DELTA_STATUSES["empty"], 32 + 8 * words
    return 0, 0


def body_after(delta: Delta, layout: PageLayout, body: bytes) -> bytes | None:
    """The body after a delta of good structure; None when it deletes."""
    if delta.kind == DELETE:
        return None
    _, changed = read_payload(delta.kind, delta.payload, layout.words)
    return apply_words(body if delta.base else bytes(layout.size), changed)


def validate_delta(record: bytes, layouts: dict[int, PageLayout], epoch: int, body: bytes) -> Status:
    """The status and its position; `epoch` and `body` are the page's as it stands (0 and anything: no such page)."""
    status = structure_status(record, layouts)
    if status[0]:
        return status
    delta = decode(record)
    if delta.base != epoch:
        return DELTA_STATUSES["conflict"], 16
    after = body_after(delta, layouts[delta.type_id], body)
    return (0, 0) if after is None else body_status(layouts[delta.type_id], after)[:2]
