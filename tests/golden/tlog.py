"""Golden TLog records: one of each kind, and a block with everything that a block can hold."""

import struct
from collections.abc import Callable

from mmsb.schemas.deltas import DeltaKind, change
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.ids import make_id, source_of
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import Bound, IntentLayout, PageLayout, place
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Code, Op, Rejection
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, BlockHeader, DeltaRow, FollowUpRow, OutcomeRow
from mmsb.schemas.tlog.claims import Claim, Durability, unpack_claim
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from mmsb.schemas.tlog.migrations import Migration, Step, pack_migrate, unpack_migrate
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.schemas.types import BOOLEAN, FLOAT, INTEGERS, TIME, Array, Blob, Enumeration, Text
from mmsb.state.follow_ups import follow_up_metadata, follow_up_source

I64, U64 = INTEGERS["i64"], INTEGERS["u64"]
SEVERAL = Enumeration((("HIGH", 65535), ("LOW", 0)))

ACCOUNT = PageLayout(
    "Account",
    place([("owner", Text(24), "", ()), ("balance", I64, 0, (Bound(Op.GE, 0),)), ("moves", I64, 0, ())]),
    (U64,),
    (0,),
)
EVERY = PageLayout(
    "Every",
    place(
        [
            ("yes", BOOLEAN, True, ()),
            ("how", SEVERAL, 65535, ()),
            ("ratio", FLOAT, -0.5, (Bound(Op.GT, -1.0), Bound(Op.LT, 1e300))),
            ("name", Text(9), "Ångströ", ()),
            ("raw", Blob(3), b"\xab\x00\x01", ()),
            ("at", TIME, 0, ()),
            ("most", U64, 2**64 - 1, ()),
            ("rows", Array(INTEGERS["i16"], 3), (1, -2, 3), (Bound(Op.GE, -5), Bound(Op.LE, 5))),
            ("waves", Array(FLOAT, 2), (0.0, 1.5), ()),
        ]
    ),
    (INTEGERS["i8"], Text(5), Blob(9)),
    (2, 0),
)
REFUND = IntentLayout("Refund", place([("account", U64, None, ()), ("how", SEVERAL, 0, ())]))
TRANSFER = IntentLayout(
    "Transfer",
    place([("account", U64, None, ()), ("how", SEVERAL, None, ()), ("amount", I64, 1, (Bound(Op.GT, 0),))]),
    "Refund",
)
DESCRIPTOR = Descriptor("bank", 8, (ACCOUNT, EVERY), (REFUND, TRANSFER), ("insufficient funds", "zu spät 🕰"))

GENESIS = Genesis(bytes(range(100, 116)), "bank", 2, 5, 1000)
REIGN, PREV, BUNDLE = bytes(range(16, 32)), bytes(range(64, 96)), bytes(range(160, 192))
CLAIM = Claim(bytes(16), REIGN, 7, BUNDLE, Durability.REPLICATED, DESCRIPTOR)

FIRST = 10
ORDER = make_id("order-17")
KEY, OTHER_KEY = struct.pack("<Q", 1), struct.pack("<Q", 2)
SHOP = Source(OUTSIDE, source_of("shop"), 41, 0)
NEIGHBOUR = Source(FOLLOW_UP, struct.pack("<I", 3) + GENESIS.log_id[:12], 5, 2)
BY_ALICE = Metadata(actor="alice", reason="rent").pack()


def header(first: int, last: int, kind: TlogKind, checksum: int = 0x0102030405060708) -> BlockHeader:
    return BlockHeader(REIGN, PREV, first, last, 1_700_000_000_000_000, bytes(range(200, 216)), checksum, kind)


def follow_up(index: int, cause: OutcomeRow, target: int, number: int) -> FollowUpRow:
    """What an outcome emits: a refund of account 9."""
    source = follow_up_source(GENESIS, cause.source, number)
    metadata = follow_up_metadata(GENESIS, FIRST + index, cause.id, cause.metadata)
    arguments = REFUND.pack([9, 0])
    return FollowUpRow(index, target, number, pack_intent(REFUND.type_id, arguments, source=source, metadata=metadata))


OUTCOMES = (
    OutcomeRow(Status.APPLIED, TRANSFER.type_id, ORDER, SHOP, BY_ALICE),
    OutcomeRow(
        Status.REJECTED,
        TRANSFER.type_id,
        source=NEIGHBOUR,
        rejection=Rejection(Code.REFUSED, TRANSFER.type_id, ordinal=1),
    ),
    OutcomeRow(Status.DUPLICATE, TRANSFER.type_id, ORDER, first_offset=FIRST),
    OutcomeRow(Status.DUPLICATE, None, make_id("x"), SHOP, BY_ALICE, first_offset=-1),
    OutcomeRow(Status.NOOP),
    OutcomeRow(Status.APPLIED, REFUND.type_id),
    OutcomeRow(Status.REJECTED, rejection=Rejection(Code.INTENT_TOO_LARGE, value=300_000, bound=262_144)),
)
OPENED = ACCOUNT.pack(["ann", 90, 1])
BLOCK = Block(
    header(FIRST, FIRST + len(OUTCOMES) - 1, TlogKind.BLOCK),
    OUTCOMES,
    ((0, 1_600_000_000_000_000), (3, 1_700_000_000_000_000)),
    (
        DeltaRow(0, ACCOUNT.type_id, KEY, 0, *change(bytes(40), OPENED)),
        DeltaRow(0, ACCOUNT.type_id, OTHER_KEY, 8, *change(OPENED, ACCOUNT.pack(["ann", 80, 2]))),
        DeltaRow(5, ACCOUNT.type_id, OTHER_KEY, 11, DeltaKind.DELETE, b""),
    ),
    (follow_up(0, OUTCOMES[0], 0, 1), follow_up(0, OUTCOMES[0], 4, 1), follow_up(1, OUTCOMES[1], 0, 2)),
)
QUARANTINE = Block(
    header(FIRST, FIRST, TlogKind.QUARANTINE),
    [OutcomeRow(Status.QUARANTINED, TRANSFER.type_id, ORDER, SHOP, BY_ALICE)],
    (),
    (),
    (),
)
MIGRATIONS = (
    Migration("Account", 1, 2**64 - 1, (Step("rename", "moves", "turns"), Step("widen", "turns", "i64"))),
    Migration("Every", 2, 3, (Step("add", "new"), Step("drop", "raw"))),
)


def migrate() -> bytes:
    return pack_migrate(header(FIRST, FIRST - 1, TlogKind.MIGRATE, checksum=0), MIGRATIONS)


FILES: dict[str, Callable[[], bytes]] = {
    "genesis.bin": GENESIS.pack,
    "genesis_least.bin": Genesis(b"\x01" + bytes(15), "a").pack,
    "claim.bin": CLAIM.pack,
    "claim_empty.bin": Claim(
        REIGN, b"n" * 16, 2**64 - 1, bytes(32), Durability.PROCESS, Descriptor("a", 1, (), (), ())
    ).pack,
    "block.bin": BLOCK.pack,
    "block_noops.bin": Block(header(0, 8, TlogKind.BLOCK), [OutcomeRow(Status.NOOP)] * 9, (), (), ()).pack,
    "quarantine.bin": QUARANTINE.pack,
    "migrate.bin": migrate,
}


def again(data: bytes) -> bytes:
    kind = peek(data)
    if kind == TlogKind.GENESIS:
        return unpack_genesis(data).pack()
    if kind == TlogKind.CLAIM:
        return unpack_claim(data).pack()
    return pack_migrate(*unpack_migrate(data)) if kind == TlogKind.MIGRATE else unpack_block(data).pack()
