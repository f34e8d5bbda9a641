"""Random blocks that are right, for a state whose pages are of all types of fields."""

from random import Random
from typing import Any

from mmsb.schemas.deltas import DeltaKind, change
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import IntentLayout, PageLayout, place
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Code, Op, Rejection
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import Block, BlockHeader, DeltaRow, FollowUpRow, OutcomeRow
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import TlogKind
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS, Array, Blob, Enumeration, FieldType, Text
from mmsb.state.arrays import ArrayState
from mmsb.state.follow_ups import follow_up_metadata, follow_up_source

I8, I64, U16, U64 = (INTEGERS[name] for name in ("i8", "i64", "u16", "u64"))
COLOUR = Enumeration((("RED", 7), ("GREEN", 3), ("BLUE", 1000)))


def page(name: str, key: tuple[Any, ...], *types: FieldType) -> PageLayout:
    fields = [(f"f{index}", kind, kind.default, ()) for index, kind in enumerate(types)]
    return PageLayout(name, place(fields), key, (0,))


PAGES = (
    page("All", (I8, Text(5)), BOOLEAN, Text(5), FLOAT, U16, COLOUR, BOOLEAN, Text(20), Blob(3), Array(FLOAT, 3), I64),
    page("Long", (U64,), Array(I64, 200), COLOUR),
    page("Plain", (Blob(3),), *[I64] * 9),
    page("Small", (U16,), I64),
)
PAY = IntentLayout("Pay", place([("amount", I64, None, ())]))
MESSAGES = ("never", "no")
TEXTS = (
    b"",
    b"abc",
    "é€".encode(),
    b"\xff",
    b"a\0b",
    "\U0001f600".encode(),
    b"\xed\xa0\x80",
    b"12345",
    b"1234567890" * 2,
)


class RightBlocks:
    """What could come next on a state."""

    def __init__(self, rng: Random, window: int, pages: tuple[PageLayout, ...] = PAGES) -> None:
        self.rng, self.pages = rng, pages
        self.genesis = Genesis(rng.randbytes(16), "duel", rng.randrange(3), 3, window)
        self.state = ArrayState(self.genesis)
        self.first = 0
        for layout in pages:
            self.state.add_layout(layout)

    def block(self, count: int) -> Block:
        """A right one."""
        rng, quarantine = self.rng, self.rng.random() < 0.05
        outcomes: list[OutcomeRow] = []
        deltas: list[DeltaRow] = []
        follow_ups: list[FollowUpRow] = []
        rises: list[tuple[int, int]] = []
        clock = self.state.clock
        bodies: dict[tuple[int, bytes], tuple[int, bytes]] = {}
        for index in range(1 if quarantine else count):
            outcomes.append(self.outcome(index, outcomes, Status.QUARANTINED if quarantine else None))
            if rng.random() < 0.3:
                clock += rng.randrange(1, 1000)
                rises.append((index, clock))
            if outcomes[-1].status == Status.APPLIED:
                deltas += self.deltas(index, bodies)
            follow_ups += self.follow_ups(index, outcomes[-1], follow_ups)
        kind = TlogKind.QUARANTINE if quarantine else TlogKind.BLOCK
        last = self.first + len(outcomes) - 1
        header = BlockHeader(bytes(16), bytes(32), self.first, last, clock, bytes(16), 7, kind)
        return Block(header, outcomes, rises, deltas, follow_ups)

    def outcome(self, index: int, before: list[OutcomeRow], status: Status | None) -> OutcomeRow:
        rng = self.rng
        status = status or rng.choice([Status.APPLIED] * 4 + [Status.REJECTED, Status.DUPLICATE, Status.NOOP])
        id = rng.choice([None, rng.randbytes(16), rng.randrange(9).to_bytes(16, "little")])
        source = rng.choice([None, None, self.source()])
        metadata = rng.choice([b"", b"", *METADATA])
        first = None
        if status == Status.DUPLICATE:
            first = rng.choice([-1, *range(max(self.first + index, 0))][:9])
            if first == -1:
                source = source or self.source()
            else:
                id = id or bytes(16)
        why = rng.choice(REJECTIONS) if status == Status.REJECTED else None
        return OutcomeRow(status, rng.choice([None, PAY.type_id]), id, source, metadata, first, why)

    def source(self) -> Source:
        rng = self.rng
        number = rng.choice([1, 2, rng.randrange(1, 2**63)])
        if rng.random() < 0.5:
            return Source(FOLLOW_UP, bytes(16), number, rng.choice([1, 5, 2**32 - 1]))
        return Source(OUTSIDE, rng.randrange(5).to_bytes(16, "little"), number, 0)

    def deltas(self, index: int, bodies: dict[tuple[int, bytes], tuple[int, bytes]]) -> list[DeltaRow]:
        rng = self.rng
        rows: dict[tuple[int, bytes], DeltaRow] = {}
        for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
            layout = rng.choice(self.pages)
            key = layout.pack_key(tuple(key_of(rng, kind) for kind in layout.key))
            page_id = layout.type_id, key
            if page_id in rows:
                continue
            base, body = bodies.get(page_id) or self.state.read_page(*page_id) or (0, bytes(layout.size))
            if base and rng.random() < 0.2:
                rows[page_id] = DeltaRow(index, *page_id, base, DeltaKind.DELETE, b"")
                bodies[page_id] = 0, bytes(layout.size)
                continue
            after = other_body(rng, layout, body, base)
            if base == 0 or after != body:
                rows[page_id] = DeltaRow(index, *page_id, base, *change(body, after))
                bodies[page_id] = self.first + index + 1, after
        return list(rows.values())

    def follow_ups(self, index: int, cause: OutcomeRow, before: list[FollowUpRow]) -> list[FollowUpRow]:
        comes = cause.source is not None and cause.source.kind == FOLLOW_UP
        if cause.status != Status.APPLIED and not (cause.status == Status.REJECTED and comes):
            return []
        rows: list[FollowUpRow] = []
        for _ in range(self.rng.choice([0, 0, 0, 1, 2])):
            target = self.rng.randrange(3)
            sent = sum(row.target == target for row in (*before, *rows))
            number = self.state.sent(target) + sent + 1
            rows.append(FollowUpRow(index, target, number, self.emitted(index, cause, number)))
        return rows

    def emitted(self, index: int, cause: OutcomeRow, number: int) -> bytes:
        source = follow_up_source(self.genesis, cause.source, number)
        metadata = follow_up_metadata(self.genesis, self.first + index, cause.id, cause.metadata)
        return pack_intent(PAY.type_id, self.rng.randbytes(8 * self.rng.randrange(3)), source=source, metadata=metadata)


METADATA = (
    Metadata(actor="ann").pack(),
    Metadata(reason="why", trace="t" * 30, correlation=b"c" * 16).pack(),
    Metadata(actor="é" * 90, causation=b"d" * 16).pack(),
    Metadata(actor="a", reason="b", correlation=b"c" * 16, causation=b"d" * 16, trace="e").pack(),
)
REJECTIONS = (
    Rejection(Code.MALFORMED),
    Rejection(Code.REFUSED, PAY.type_id, ordinal=1),
    Rejection(Code.UNKNOWN_TYPE, value=7),
    Rejection(Code.BAD_MEMBER, value=b"@id"),
    Rejection(Code.BOUND, PAY.type_id, 1, 1.5, 2.5, Op.GE),
    Rejection(Code.BOUND, PAY.type_id, 1, 2**64 - 1, 5, Op.LT),
    Rejection(Code.BOUND, PAY.type_id, 1, -3, 0, Op.GE),
)


def key_of(rng: Random, kind: Any) -> Any:
    """One of few, so that pages meet again."""
    if isinstance(kind, Text):
        return rng.choice(["", "a", "é€"])
    if isinstance(kind, Blob):
        return bytes([rng.randrange(4)]) * kind.size
    return rng.choice([kind.minimum, kind.maximum, 1])


def value_of(rng: Random, kind: FieldType) -> bytes:
    """A field's bytes."""
    if isinstance(kind, Array):
        return b"".join(value_of(rng, kind.element) for _ in range(kind.count))
    if isinstance(kind, Enumeration):
        return rng.choice(kind.members)[1].to_bytes(2, "little")
    if kind == BOOLEAN:
        return bytes([rng.randrange(2)])
    if kind == FLOAT:
        return FLOAT.pack(rng.choice([0.0, -1.5, 1e300]))
    if isinstance(kind, Text):
        return rng.choice([text for text in TEXTS if len(text) <= kind.size and not kind.problem(text)]).ljust(
            kind.size, b"\0"
        )
    return rng.choice([bytes(kind.size), rng.randbytes(kind.size), b"\7" * kind.size])


def other_body(rng: Random, layout: PageLayout, body: bytes, base: int) -> bytes:
    """A body that the page might have next."""
    after = bytearray(body)
    for field in layout.fields:
        if (base == 0 and isinstance(field.type, Enumeration)) or rng.random() < 0.3:
            after[field.offset : field.end] = value_of(rng, field.type)
        elif isinstance(field.type, Array) and rng.random() < 0.7:
            size = field.type.element.size
            for _ in range(rng.choice([1, 3, 30])):
                at = field.offset + size * rng.randrange(field.type.count)
                count = rng.choice([1, 1, 2, 5])
                content = value_of(rng, field.type.element) * count
                after[at : min(at + size * count, field.end)] = content[: min(size * count, field.end - at)]
    return bytes(after)
