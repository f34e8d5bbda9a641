"""Logs for tests of the fold: an author who knows the state writes records, good ones and, when asked, bad ones."""

import contextlib
from dataclasses import replace
from typing import Any

from mmsb.schemas.deltas import DeltaKind, change
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import MmsbError
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.layouts import Bound, IntentLayout, PageLayout, place
from mmsb.schemas.rejections import Op
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import Block, BlockHeader, DeltaRow, FollowUpRow, OutcomeRow
from mmsb.schemas.tlog.claims import Claim, Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import TlogKind
from mmsb.schemas.types import INTEGERS, Enumeration, Text
from mmsb.state.applying import apply_block
from mmsb.state.fold import Fold
from mmsb.state.follow_ups import follow_up_metadata, follow_up_source

I8, I32, I64, U64 = (INTEGERS[name] for name in ("i8", "i32", "i64", "u64"))
KIND = Enumeration((("CLOSED", 2), ("OPEN", 1)))

ACCOUNT = PageLayout(
    "Account",
    place([("owner", Text(8), "", ()), ("balance", I64, 0, (Bound(Op.GE, 0),)), ("kind", KIND, 1, ())]),
    (I32,),
    (0,),
)
WIDER = PageLayout(
    "Account",
    place([("balance", I64, 0, ()), ("holder", Text(16), "", ()), ("kind", KIND, 1, ()), ("limit", I8, 7, ())]),
    (I32,),
    (0,),
)
BADGE = PageLayout("Badge", place([("number", U64, 0, ())]), (U64,), (0,))
PAY = IntentLayout("Pay", place([("amount", I64, None, ())]))

GENESIS = Genesis(bytes(range(1, 17)), "bank", partition=1, partition_count=3, window=4)
ALICE, BOB, EVE = b"alice".ljust(16), b"bob".ljust(16), b"eve".ljust(16)
BUNDLE, OTHER_BUNDLE = b"B" * 32, b"C" * 32
KEY = ACCOUNT.pack_key(1)
APPLIED, NOOP = OutcomeRow(Status.APPLIED, PAY.type_id), OutcomeRow(Status.NOOP)


def descriptor(*pages: PageLayout, app: str = "bank") -> Descriptor:
    ordered = tuple(sorted(pages or (ACCOUNT,), key=lambda page: page.name))
    return Descriptor(app, 8, ordered, (PAY,), ("never", "no"))


def claim(after: bytes, nonce: bytes, generation: int = 1, bundle: bytes = BUNDLE, *pages: PageLayout, **more) -> bytes:
    return Claim(after, nonce, generation, bundle, Durability.FSYNC, descriptor(*pages, **more)).pack()


def body(owner: str, balance: int, kind: int = 1) -> bytes:
    return ACCOUNT.pack([owner, balance, kind])


def put(index: int, base: int, before: bytes | None, after: bytes, key: bytes = KEY) -> DeltaRow:
    """A change of an account as an encoder writes it."""
    return DeltaRow(index, ACCOUNT.type_id, key, base, *change(before or bytes(len(after)), after))


def drop(index: int, base: int, key: bytes = KEY) -> DeltaRow:
    return DeltaRow(index, ACCOUNT.type_id, key, base, DeltaKind.DELETE, b"")


class Kind:
    """Of which kind folds are made here."""

    fold: type[Fold] = Fold


def new_fold(record: bytes | None, key: bytes | None = TlogKind.GENESIS.key) -> Fold:
    return Kind.fold(record, key)


class Author:
    """Keeps a log and its fold, so that whatever it writes next would be accepted."""

    def __init__(self, genesis: Genesis = GENESIS) -> None:
        self.fold = new_fold(genesis.pack())
        self.records = [(b"genesis", genesis.pack())]

    def add(self, kind: TlogKind, value: bytes) -> bytes:
        """Append a record that counts."""
        assert self.fold.read(self.fold.next, kind.key, value).accepted
        self.records.append((kind.key, value))
        return value

    def claim(self, nonce: bytes = ALICE, generation: int = 1, bundle: bytes = BUNDLE, *pages: PageLayout) -> bytes:
        return self.add(TlogKind.CLAIM, claim(self.fold.reign, nonce, generation, bundle, *pages))

    def block(self, *outcomes: OutcomeRow, **parts) -> bytes:
        """Append the next block."""
        return self.add(parts.get("kind", TlogKind.BLOCK), self.write(*outcomes, **parts))

    def write(self, *outcomes: OutcomeRow, kind=TlogKind.BLOCK, rises=(), deltas=(), follow_ups=(), **wrong) -> bytes:
        """The next block, with the digest that its effects give, unless they are impossible; `wrong` header fields."""
        fold, state = self.fold, self.fold.state
        clock = rises[-1][1] if rises else state.clock
        last = fold.settled + len(outcomes)
        header = BlockHeader(fold.reign, fold.head, fold.settled + 1, last, clock, bytes(16), 77, kind)
        block = Block(header, outcomes, rises, deltas, follow_ups)
        state.begin()
        with contextlib.suppress(MmsbError, AssertionError):
            apply_block(state, fold.claim, block)
        digest = state.digest.pack()
        state.rollback()
        return replace(block, header=replace(header, **{"digest": digest, **wrong})).pack()

    def emit(self, index: int, cause: OutcomeRow, target: int, number: int, **wrong) -> FollowUpRow:
        """A follow-up of the next block, as its cause gives it."""
        source = follow_up_source(GENESIS, cause.source, number)
        metadata = follow_up_metadata(GENESIS, self.fold.settled + 1 + index, cause.id, cause.metadata)
        parts: dict[str, Any] = {"source": source, "metadata": metadata, **wrong}
        return FollowUpRow(index, target, number, pack_intent(PAY.type_id, PAY.pack([5]), **parts))


def snapshot(fold: Fold) -> dict[str, Any]:
    """Everything that a record may change."""
    state = fold.state
    names = (
        "settled",
        "next",
        "head",
        "head_prev",
        "accepted_at",
        "reign",
        "generation",
        "bundle",
        "repeats",
        "claim",
        "pending",
        "last_block",
    )
    return {
        **{name: getattr(fold, name) for name in names},
        "discarded": dict(fold.discarded),
        "digest": state.digest,
        "clock": state.clock,
        "layouts": state.layouts,
        "pages": sorted((page, epoch, content) for page, epoch, content in state.pages),
        "ids": list(state._ids),
        "marks": dict(state._marks),
        "sent": dict(state._sent),
    }


def folded(records) -> Fold:
    """A fold of all these records."""
    fold = new_fold(records[0][1], records[0][0])
    for offset, (key, value) in enumerate(records[1:], 1):
        fold.read(offset, key, value)
    fold.state.check()
    return fold
