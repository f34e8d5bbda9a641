"""Blocks that no writer writes, right in all but one thing: both folds stop at each, the digest notwithstanding.

A forged block carries the digest of the state that it would lead to, so only the rule that it breaks can refuse it.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mmsb.kernels.digest import Digest
from mmsb.processors.writer import Writer
from mmsb.schemas.batches import decode_batches
from mmsb.schemas.deltas import DeltaKind, apply_change
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.rejections import Code
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, DeltaRow, FollowUpRow, OutcomeRow
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.words import bytes_of
from mmsb.state.fold import Fold
from mmsb.state.follow_ups import follow_up_metadata, follow_up_source
from mmsb.state.partition import PartitionState
from tests.model import fold as model_fold
from tests.model.batch import Record, encode_batch
from tests.model.bundle import Bundle, Field, Intent, Page, Tree
from tests.proof.agreement import agree, loaded
from tests.proof.ways import FOLDED, INTERPRETED, Way

NONCE = b"the-only-writer!"
ONE: Tree = ("lit", 1, "1")
GENESIS = Genesis(bytes(range(16)), "forged", 0, 1, 100)
PAGE = Page("P", ("i64",), (Field("n", "i64"), Field("m", "i64"), Field("e", "bool"), Field("t", "text(4)")))
QUERY = (("P", (ONE,)),)
BACK = Intent("Back", (), QUERY, ("p",), (("aug", "+", ("get", "p", "m"), ONE),))
MAKE = Intent("Make", (), QUERY, ("p",), (("aug", "+", ("get", "p", "n"), ONE), ("emit", "Back", ())))
REFUSE = Intent("Refuse", (), QUERY, ("p",), (("reject", "never"),))
BUNDLE = Bundle("forged", (PAGE,), (BACK, MAKE, REFUSE))
SENT = ("Make", "Refuse", "Make")
Forge = Callable[[Block], Block]
WAYS = [pytest.param(INTERPRETED, id="interpreted"), pytest.param(FOLDED, id="folded by compiled code")]


def with_outcome(block: Block, index: int, **changes: Any) -> Block:
    rows = list(block.outcomes)
    rows[index] = replace(rows[index], **changes)
    return replace(block, outcomes=rows)


def with_delta(block: Block, at: int, **changes: Any) -> Block:
    rows: list[DeltaRow] = list(block.deltas)
    rows[at] = replace(rows[at], **changes)
    return replace(block, deltas=rows)


def with_follow_up(block: Block, at: int, **changes: Any) -> Block:
    rows: list[FollowUpRow] = list(block.follow_ups)
    rows[at] = replace(rows[at], **changes)
    return replace(block, follow_ups=rows)


def numbered(block: Block, number: int) -> Block:
    """The last follow-up with another number, which its packed intent has, too."""
    return with_follow_up(block, 1, number=number, intent=emitted(block, 2, number))


def emitted(block: Block, index: int, number: int, hops: int = 1) -> bytes:
    cause: OutcomeRow = block.outcomes[index]
    source = replace(follow_up_source(GENESIS, cause.source, number), hops=hops)
    metadata = follow_up_metadata(GENESIS, block.header.first + index, cause.id, cause.metadata)
    (back,) = {int.from_bytes(row.intent[8:16], "little") for row in block.follow_ups}
    return pack_intent(back, b"", source=source, metadata=metadata)


def of_a_rejection(block: Block) -> Block:
    """A follow-up of a rejected intent that is no follow-up itself."""
    first, last = block.follow_ups
    middle = FollowUpRow(1, 0, 2, emitted(block, 1, 2))
    return replace(block, follow_ups=[first, middle, replace(last, number=3, intent=emitted(block, 2, 3))])


def spanning(first: int, *words: int) -> dict[str, Any]:
    table = b"\1\0" + first.to_bytes(2, "little") + len(words).to_bytes(2, "little") + bytes(2)
    return {"kind": DeltaKind.SPANS, "payload": table + bytes_of(words)}


FORGERIES: dict[str, Forge] = {
    "a delta on another epoch": lambda block: with_delta(block, 1, base=block.deltas[1].base + 1),
    "a delta on no page": lambda block: with_delta(block, 1, base=0),
    "a delta that writes what was there": lambda block: with_delta(block, 1, **spanning(0, 2, 0)),
    "a delta in a larger form": lambda block: with_delta(block, 1, kind=DeltaKind.RUNS, payload=runs(0, 2)),
    "a bool of 2": lambda block: with_delta(block, 1, **spanning(2, 2)),
    "a text that goes on after its end": lambda block: with_delta(block, 1, **spanning(2, 0x61_00_61_00)),
    "padding": lambda block: with_delta(block, 1, **spanning(2, 1 << 56)),
    "a page of no type": lambda block: with_delta(block, 1, type_id=7),
    "a key of another size": lambda block: with_delta(block, 1, key=bytes(16), base=0, **spanning(0, 2)),
    "a gap among follow-ups": lambda block: numbered(block, 3),
    "a follow-up sent twice": lambda block: numbered(block, 1),
    "a follow-up to no partition": lambda block: with_follow_up(
        block, 1, target=1, number=1, intent=emitted(block, 2, 1)
    ),
    "a follow-up of a client's rejection": of_a_rejection,
    "a follow-up from far away": lambda block: with_follow_up(block, 1, intent=emitted(block, 2, 2, hops=3)),
    "a clock that stays": lambda block: replace(block, rises=[*block.rises, (2, block.rises[-1][1])]),
    "a clock that goes back": lambda block: replace(block, rises=[*block.rises, (2, 5)]),
    "a clock that was there": lambda block: replace(block, rises=[(0, 0), *block.rises[1:]]),
    "another clock at the end": lambda block: replace(block, rises=[], header=replace(block.header, clock=99_000)),
    "an intent of no type": lambda block: with_outcome(block, 1, type_id=7),
    "a message that the claim does not have": lambda block: with_outcome(
        block,
        1,
        rejection=replace(block.outcomes[1].rejection, ordinal=1),  # type: ignore[type-var]
    ),
}


def runs(first: int, word: int) -> bytes:
    """One word as a run, which a span says as shortly and with a lower kind."""
    return b"\1\0" + first.to_bytes(2, "little") + b"\1\0" + bytes(2) + bytes_of([word])


def digest_after(state: PartitionState, block: Block) -> Digest:
    """The digest to which a block's effects lead, whatever the rules say of them."""
    state.begin()
    first = block.header.first
    for _, clock in block.rises:
        state.advance_clock(max(clock, state.clock))
    for index, row in enumerate(block.outcomes):
        state.settle(first + index, row.status, row.id, row.source)
    for delta in block.deltas:
        before = (state.read_page(delta.type_id, delta.key) or (0, bytes(24)))[1]
        after = apply_change(before, delta.kind, delta.payload)
        state.write_page(delta.type_id, delta.key, first + delta.index + 1, after)
    for follow_up in block.follow_ups:
        state.count_follow_up(follow_up.target)
    digest = state.digest
    state.rollback()
    return digest


def verdicts(forge: Forge, way: Way) -> tuple[str, str]:
    """What both folds make of the block; MMSB's word first."""
    fold, reader = way.fold(GENESIS.pack()), model_fold.Fold()
    reader.feed(b"genesis", GENESIS.pack())
    with loaded(BUNDLE) as bundle:
        writer = Writer(bundle, Fold(GENESIS.pack()), NONCE)
        claim = writer.claim()
        writer.read(1, claim.key, claim.value)
        records = [Record(at, at + 1, json.dumps({"@type": name}).encode()) for at, name in enumerate(SENT)]
        entry, outcome = writer.step(decode_batches(encode_batch(records))[0])
    assert [row.status for row in outcome.outcomes] == [Status.APPLIED, Status.REJECTED, Status.APPLIED]
    assert outcome.outcomes[1].rejection is not None
    assert outcome.outcomes[1].rejection.code == Code.REFUSED
    plain = Fold(GENESIS.pack())
    plain.read(1, claim.key, claim.value)
    fold.read(1, claim.key, claim.value)
    reader.feed(claim.key, claim.value)
    block = forge(unpack_block(entry.value))
    digest = digest_after(plain.state, block).pack()
    value = replace(block, header=replace(block.header, digest=digest)).pack()
    try:
        ours = model_fold.ACCEPTED if fold.read(2, entry.key, value).accepted else model_fold.DISCARDED
    except CorruptState:
        ours = model_fold.STOPPED
    return ours, reader.feed(entry.key, value)


@pytest.mark.parametrize("way", WAYS)
def test_the_block_as_it_was_written_counts(way: Way) -> None:
    agree("verdict", verdicts(lambda block: block, way), (model_fold.ACCEPTED, model_fold.ACCEPTED), "as written")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FORGERIES)
def test_both_folds_stop_at_a_forged_block(name: str, way: Way) -> None:
    agree("verdict", verdicts(FORGERIES[name], way), (model_fold.STOPPED, model_fold.STOPPED), name)
