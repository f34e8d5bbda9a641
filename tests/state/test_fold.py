"""What the fold accepts, what it discards, and what stops it (docs/formats.md, section 13)."""

import contextlib
import struct
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.digest import Digest, id_term
from mmsb.schemas.errors import CorruptState, InvalidValue, NewerFormat
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Code, Rejection
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import DeltaRow, OutcomeRow
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.migrations import Migration, Step, pack_migrate, unpack_migrate
from mmsb.schemas.tlog.records import TlogKind, chain
from mmsb.schemas.types import Enumeration
from mmsb.schemas.upserts import MUTATE, UPSERT
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Discarded, Fold, Settled
from tests.schemas.mutations import mutated
from tests.state.logs import (
    ACCOUNT,
    ALICE,
    APPLIED,
    BADGE,
    BOB,
    BUNDLE,
    EVE,
    GENESIS,
    KEY,
    NOOP,
    OTHER_BUNDLE,
    PAY,
    WIDER,
    Author,
    Kind,
    body,
    claim,
    drop,
    folded,
    new_fold,
    put,
    snapshot,
)

ID = b"i" * 16
ZEROS = bytes(16)
STEPS = (Step("rename", "owner", "holder"), Step("widen", "holder", "text(16)"), Step("add", "limit"))
TO_WIDER = Migration("Account", ACCOUNT.type_id, WIDER.type_id, STEPS)


@pytest.fixture(autouse=True, scope="module", params=[Fold, ArrayFold], ids=["plain", "arrays"])
def _kind(request):
    """All of this holds for a fold that applies blocks in compiled code, too."""
    Kind.fold = request.param
    yield
    Kind.fold = Fold


def author(*pages) -> Author:
    """An author who reigns."""
    log = Author()
    log.claim(ALICE, 1, BUNDLE, *pages)
    return log


def discards(fold: Fold, value: bytes | None, reason: Discarded, key: bytes | None = b"block") -> None:
    """The record is discarded for that reason, and nothing but the counts changes."""
    before = snapshot(fold)
    verdict = fold.read(fold.next, key, value)
    assert (verdict.accepted, verdict.discarded) == (False, reason)
    counted = {**before["discarded"], reason: before["discarded"].get(reason, 0) + 1}
    assert snapshot(fold) == {**before, "next": before["next"] + 1, "discarded": counted}


def stops(fold: Fold, value: bytes, match: str, error: type[CorruptState] = CorruptState) -> None:
    """The record stops the fold for ever, and nothing of it is applied."""
    before = snapshot(fold)
    for _ in range(2):
        with pytest.raises(error, match=match):
            fold.read(fold.next, b"block", value)
        assert snapshot(fold) == before
    with pytest.raises(CorruptState):
        fold.read(fold.next, b"x", None)
    assert snapshot(fold) == before
    fold.state.check()


# Record 0


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"MMT\x01\x01", claim(ZEROS, ALICE), GENESIS.pack()[:-8], b"MMT\x01\x01\x00"]
)
def test_a_log_that_does_not_begin_with_a_genesis_is_none_of_ours(value):
    with pytest.raises(CorruptState):
        new_fold(value)


def test_a_genesis_of_a_newer_release_says_so():
    with pytest.raises(NewerFormat):
        new_fold(b"MMT\x02" + GENESIS.pack()[4:])


def test_a_genesis_begins_at_nothing():
    fold = new_fold(GENESIS.pack())
    assert (fold.settled, fold.next, fold.accepted_at) == (-1, 1, 0)
    assert (fold.reign, fold.generation, fold.bundle, fold.repeats) == (ZEROS, 0, bytes(32), False)
    assert (fold.digest, fold.pending, fold.last_block, fold.claim) == (Digest(0, 0), {}, None, None)
    assert (fold.messages, fold.durability, fold.genesis) == ((), None, GENESIS)
    assert fold.head == blake3(bytes(32) + struct.pack("<Q", 7) + b"genesis" + GENESIS.pack()).digest()
    assert fold.head_prev == bytes(32)


def test_the_key_of_a_genesis_is_hashed_as_it_is():
    null = struct.pack("<Q", 2**64 - 1)
    assert new_fold(GENESIS.pack(), None).head == blake3(bytes(32) + null + GENESIS.pack()).digest()
    assert (
        new_fold(GENESIS.pack(), b"g").head == blake3(bytes(32) + struct.pack("<Q", 1) + b"g" + GENESIS.pack()).digest()
    )


def test_a_later_genesis_is_discarded():
    discards(new_fold(GENESIS.pack()), GENESIS.pack(), Discarded.LATER_GENESIS)
    discards(author().fold, replace(GENESIS, app="other").pack()[:7], Discarded.LATER_GENESIS)


# What is not ours


@pytest.mark.parametrize("value", [None, b"", b"{}", b"MMI\x01" + bytes(40), b"MMT", b"MMT\x01", b"MMT\x01\x03"])
def test_what_is_not_ours_is_discarded(value):
    discards(author().fold, value, Discarded.NOT_OURS, None)


@pytest.mark.parametrize(
    "value", [b"MMT\x02", b"MMT\x00" + bytes(200), b"MMT\x01\x06\x00" + bytes(200), b"MMT\x01\x00\x00"]
)
def test_ours_of_an_unknown_version_or_kind_stops(value):
    stops(author().fold, value, "release", NewerFormat)


def test_a_record_shorter_than_its_fixed_header_is_discarded():
    log = author()
    discards(log.fold, claim(log.fold.reign, BOB)[:87], Discarded.TOO_SHORT)
    block = log.write(NOOP)
    log.fold.read(log.fold.next, b"x", b"")
    discards(log.fold, block[:151], Discarded.TOO_SHORT)
    discards(log.fold, b"MMT\x01\x05\x00", Discarded.TOO_SHORT)
    log.claim(BOB, 2, BUNDLE, WIDER)
    discards(log.fold, log.fold.propose_migrate([TO_WIDER])[:111], Discarded.TOO_SHORT)


def test_a_record_with_an_acceptable_header_and_nothing_else_stops():
    log = author()
    stops(log.fold, log.write(NOOP)[:152], "block")
    log = author()
    stops(log.fold, claim(log.fold.reign, BOB)[:88], "claim")


def test_tlog_offsets_are_dense():
    fold = author().fold
    for offset in (0, 1, 3):
        with pytest.raises(InvalidValue, match="dense"):
            fold.read(offset, None, None)


# The chain


def test_accepted_records_are_chained_and_discarded_ones_are_not():
    log = author()
    fold = log.fold
    head = blake3(bytes(32) + struct.pack("<Q", 7) + b"genesis" + GENESIS.pack()).digest()
    head = blake3(head + struct.pack("<Q", 5) + b"claim" + log.records[1][1]).digest()
    assert fold.head == head
    fold.read(2, b"block", b"noise")
    assert (fold.head, fold.next, fold.accepted_at) == (head, 3, 1)
    block = log.write(NOOP)
    assert fold.read(3, None, block).accepted
    assert fold.head_prev == head
    assert fold.head == blake3(head + b"\xff" * 8 + block).digest()
    assert (fold.next, fold.accepted_at) == (4, 3)


# Claims


def test_a_claim_opens_a_reign():
    fold = author(ACCOUNT, BADGE).fold
    assert (fold.reign, fold.generation, fold.bundle, fold.repeats) == (ALICE, 1, BUNDLE, False)
    assert (fold.messages, fold.durability, fold.pending) == (("never", "no"), Durability.FSYNC, {})
    assert fold.state.layouts == {"Account": ACCOUNT, "Badge": BADGE}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (claim(ZEROS, BOB, 3), Discarded.OTHER_REIGN),
        (claim(EVE, BOB, 3), Discarded.OTHER_REIGN),
        (claim(ALICE, BOB, 1), Discarded.LOWER_GENERATION),
        (claim(ALICE, BOB, 1, OTHER_BUNDLE), Discarded.LOWER_GENERATION),
        (claim(ALICE, BOB, 2, OTHER_BUNDLE), Discarded.OTHER_BUNDLE),
        (claim(ALICE, BOB, 2), None),
        (claim(ALICE, BOB, 3), None),
        (claim(ALICE, BOB, 3, OTHER_BUNDLE), None),
        (claim(ALICE, ZEROS[:-1] + b"\x01", 2**64 - 1), None),
    ],
)
def test_a_claim_counts_if_it_follows_the_reign_with_a_higher_or_the_same_generation(value, reason):
    log = Author()
    log.claim(ALICE, 2)
    if reason:
        discards(log.fold, value, reason)
    else:
        assert log.fold.read(2, b"claim", value).accepted
        assert log.fold.reign == value[24:40]


def test_a_claim_repeats_if_its_generation_was_in_force():
    log = author()
    log.claim(BOB, 1)
    assert log.fold.repeats
    log.claim(EVE, 2)
    assert not log.fold.repeats


def test_a_claim_does_not_settle_anything():
    log = author()
    log.block(APPLIED, deltas=[put(0, 0, None, body("ann", 5))], rises=[(0, 1000)])
    before = log.fold.digest
    log.claim(BOB, 2)
    assert (log.fold.settled, log.fold.digest, log.fold.last_block) == (0, before, Settled(0, 0, 77))


def test_a_claim_may_change_bounds_and_defaults_at_once():
    log = author()
    bounded = replace(
        ACCOUNT, fields=(ACCOUNT.fields[0], replace(ACCOUNT.fields[1], bounds=(), default=3), ACCOUNT.fields[2])
    )
    log.claim(BOB, 2, OTHER_BUNDLE, bounded)
    assert log.fold.pending == {}
    assert log.fold.state.layouts["Account"].fields[1].default == 3


def test_the_enum_members_of_the_last_claim_count_for_pages_that_are_there_already():
    log = author()
    closed, opened = body("ann", 9, 2), body("ann", 8, 1)
    log.block(APPLIED, deltas=[put(0, 0, None, closed)])
    kind = replace(ACCOUNT.fields[2], type=Enumeration((("OPEN", 1),)))
    log.claim(BOB, 2, OTHER_BUNDLE, replace(ACCOUNT, fields=(*ACCOUNT.fields[:2], kind)))
    assert log.fold.pending == {}
    stays = log.write(APPLIED, deltas=[put(0, 1, closed, body("ann", 8, 2))])
    log.block(APPLIED, deltas=[put(0, 1, closed, opened)])
    stops(folded(log.records[:-1]), stays, "bad_enum")


def test_a_page_type_that_a_claim_leaves_out_stays():
    log = author(ACCOUNT, BADGE)
    log.claim(BOB, 2, OTHER_BUNDLE, BADGE)
    assert set(log.fold.state.layouts) == {"Account", "Badge"}


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (6, b"\x03"),  # durability
        (24, ZEROS),  # nonce
        (24, ALICE),
        (84, b"\x01"),
        (88, b"["),
    ],
)
def test_an_acceptable_claim_with_an_invalid_body_stops(at, new):
    value = claim(ALICE, BOB, 2)
    stops(author().fold, value[:at] + new + value[at + len(new) :], "a claim")


def test_an_unacceptable_claim_is_discarded_whatever_its_body():
    discards(author().fold, claim(EVE, BOB, 2)[:88], Discarded.OTHER_REIGN)
    discards(author().fold, claim(EVE, BOB, 2)[:90] + b"\xff" * 99, Discarded.OTHER_REIGN)


def test_a_claim_of_another_application_stops():
    stops(author().fold, claim(ALICE, BOB, 2, BUNDLE, app="shop"), "'shop'")


def test_a_first_claim_of_generation_zero_stops():
    value = claim(ZEROS, BOB)
    stops(new_fold(GENESIS.pack()), value[:40] + bytes(40) + value[80:], "generation")


# Blocks


def test_a_block_is_applied():
    log = author()
    source = Source(OUTSIDE, b"s" * 16, 3, 0)
    paid = OutcomeRow(Status.APPLIED, PAY.type_id, ID, source)
    sent = [log.emit(0, paid, 2, 1), log.emit(0, paid, 2, 2)]
    log.block(paid, NOOP, rises=[(0, 5_000)], deltas=[put(0, 0, None, body("ann", 9))], follow_ups=sent)
    fold, state = log.fold, log.fold.state
    assert (fold.settled, fold.last_block) == (1, Settled(0, 1, 77))
    assert state.read_page(ACCOUNT.type_id, KEY) == (1, body("ann", 9))
    assert (state.clock, state.first_offset(ID), state.mark(OUTSIDE, b"s" * 16), state.sent(2)) == (5_000, 0, 3, 2)
    log.block(APPLIED, APPLIED, deltas=[put(0, 1, body("ann", 9), body("bob", 7)), drop(1, 3)])
    assert (fold.settled, state.page_count, state.read_page(ACCOUNT.type_id, KEY)) == (3, 0, None)
    state.check()


def test_the_epoch_of_a_page_is_the_offset_after_its_change():
    log = author()
    log.block(NOOP, NOOP, APPLIED, deltas=[put(2, 0, None, body("ann", 9))])
    assert log.fold.state.read_page(ACCOUNT.type_id, KEY) == (3, body("ann", 9))


def test_verdicts_carry_the_block():
    log = author()
    verdict = log.fold.read(2, b"block", log.write(NOOP, NOOP))
    assert (verdict.offset, verdict.kind, verdict.accepted) == (2, TlogKind.BLOCK, True)
    assert verdict.block is not None
    assert [outcome.status for outcome in verdict.block.outcomes] == [Status.NOOP] * 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"reign": BOB}, Discarded.OTHER_REIGN),
        ({"reign": ZEROS}, Discarded.OTHER_REIGN),
        ({"first": 0}, Discarded.OTHER_OFFSETS),
        ({"first": 2, "last": 2}, Discarded.OTHER_OFFSETS),
        ({"prev": bytes(32)}, Discarded.OTHER_HEAD),
    ],
)
def test_a_block_counts_only_in_its_reign_at_its_offset_on_its_head(wrong, reason):
    log = author()
    log.block(NOOP)
    outcomes = [NOOP] * (wrong.get("last", 1) - wrong.get("first", 1) + 1)
    if "first" in wrong:
        data = bytearray(log.write(NOOP))
        data[56:72] = struct.pack("<qq", wrong["first"], wrong.get("last", 1))
        discards(log.fold, bytes(data), reason)
    else:
        discards(log.fold, log.write(*outcomes, **wrong), reason)


def test_a_delayed_double_is_discarded():
    log = author()
    claimed, block = log.records[1][1], log.block(NOOP)
    discards(log.fold, block, Discarded.OTHER_OFFSETS)
    discards(log.fold, claimed, Discarded.OTHER_REIGN)
    log.claim(BOB, 2)
    discards(log.fold, block, Discarded.OTHER_REIGN)


def test_a_zombies_block_is_discarded():
    log = author()
    late = log.write(NOOP)
    log.claim(BOB, 1)
    discards(log.fold, late, Discarded.OTHER_REIGN)
    log.block(NOOP)
    discards(log.fold, late, Discarded.OTHER_REIGN)


def test_a_block_written_ahead_of_one_that_is_missing_is_discarded():
    log = author()
    log.block(NOOP)
    second = log.write(NOOP)
    fold = folded(log.records[:2])
    discards(fold, second, Discarded.OTHER_OFFSETS)


def test_a_discarded_record_in_between_breaks_no_chain():
    log = author()
    block = log.write(NOOP)
    log.fold.read(2, None, b"noise")
    assert log.fold.read(3, b"block", block).accepted


def test_before_any_claim_there_is_no_page_and_no_intent_type():
    stops(new_fold(GENESIS.pack()), Author().write(APPLIED), "unknown intent")
    stops(
        new_fold(GENESIS.pack()),
        Author().write(OutcomeRow(Status.APPLIED), deltas=[put(0, 0, None, body("a", 1))]),
        "unknown page",
    )


# Blocks that stop


def stopped(match: str, *outcomes: OutcomeRow, **parts) -> None:
    """The next block of an author with an account at epoch 1, after offset 0."""
    log = author()
    log.block(APPLIED, deltas=[put(0, 0, None, body("ann", 9))], rises=[(0, 5_000)])
    stops(log.fold, log.write(*outcomes, **parts), match)


ANN = body("ann", 9)
MASKED = bytes([2]) + bytes(7) + struct.pack("<Q", 5)
TWICE = struct.pack("<HHH2x", 1, 1, 1) + struct.pack("<Q", 9)


@pytest.mark.parametrize(
    ("delta", "match"),
    [
        (put(0, 0, None, ANN), "a delta on epoch 0, the page is at 1"),
        (put(0, 2, ANN, body("bob", 9)), "a delta on epoch 2, the page is at 1"),
        (put(0, -1, ANN, body("bob", 9)), "a delta on epoch -1"),
        (put(0, 1, None, ANN, ACCOUNT.pack_key(2)), "a delta on epoch 1, the page is at 0"),
        (drop(0, 0, ACCOUNT.pack_key(2)), "base"),
        (drop(0, 1, ACCOUNT.pack_key(2)), "the page is at 0"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 3, bytes(8)), "payload"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 4, b""), "kind"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 0, bytes(8)), "empty"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 0, b""), "payload"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 0, struct.pack("<HHH2xQ", 1, 3, 1, 5)), "bounds"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 1, MASKED), "no encoder writes"),
        (DeltaRow(0, ACCOUNT.type_id, KEY, 1, 0, TWICE), "no encoder writes"),  # the word was 9 already
        (put(0, 1, ANN, ANN[:16] + struct.pack("<Q", 7)), "bad_enum"),
        (put(0, 1, ANN, ANN[:18] + b"\x01" + ANN[19:]), "bad_padding"),
        (put(0, 1, ANN, b"\x00x" + ANN[2:]), "bad_text"),
        (DeltaRow(0, WIDER.type_id, KEY, 0, 0, bytes(8)), "unknown page"),
        (DeltaRow(0, ACCOUNT.type_id, KEY + KEY, 0, 0, bytes(8)), "unknown page"),
        (DeltaRow(0, ACCOUNT.type_id, b"", 0, 0, bytes(8)), "unknown page"),
        (DeltaRow(0, ACCOUNT.type_id, struct.pack("<q", 2**31), 0, 0, bytes(8)), "unknown page"),
    ],
)
def test_a_delta_that_no_machine_made_stops(delta, match):
    stopped(match, APPLIED, deltas=[delta])


def test_a_bound_is_no_matter_of_the_fold():
    log = author()
    log.block(APPLIED, deltas=[put(0, 0, None, body("ann", -1))])
    assert log.fold.settled == 0


def test_deltas_of_one_block_stand_on_each_other():
    log = author()
    first, second = body("ann", 1), body("ann", 2)
    log.block(APPLIED, APPLIED, deltas=[put(0, 0, None, first), put(1, 1, first, second)])
    assert log.fold.state.read_page(ACCOUNT.type_id, KEY) == (2, second)
    stopped(
        "a delta on epoch 1, the page is at 2",
        APPLIED,
        APPLIED,
        deltas=[put(0, 1, ANN, second), put(1, 1, second, first)],
    )


@pytest.mark.parametrize("intent", [ACCOUNT.type_id, 7, WIDER.type_id])
def test_an_outcome_names_an_intent_of_the_claim(intent):
    stopped("unknown intent", OutcomeRow(Status.APPLIED, intent))


@pytest.mark.parametrize("intent", [PAY.type_id, MUTATE.type_id, UPSERT.type_id, None])
def test_the_built_in_intents_are_always_known(intent):
    log = author()
    log.block(OutcomeRow(Status.APPLIED, intent))
    assert log.fold.settled == 0


def test_a_refusal_names_a_message_of_the_claim():
    last = Rejection(Code.REFUSED, PAY.type_id, ordinal=1)
    log = author()
    log.block(OutcomeRow(Status.REJECTED, PAY.type_id, rejection=last))
    stopped("message 2", OutcomeRow(Status.REJECTED, PAY.type_id, rejection=replace(last, ordinal=2)))


@pytest.mark.parametrize(
    ("rises", "clock", "match"),
    [
        ([(0, 4_999)], None, "does not rise"),
        ([(0, 5_000)], None, "does not rise"),
        ([], 5_001, "expected the clock 5000"),
        ([], 4_999, "expected the clock 5000"),
        ([], -1, "expected the clock 5000"),
        ([(0, 6_000)], 6_001, "the clock to end at 6001"),
    ],
)
def test_a_clock_that_does_not_rise_as_it_says_stops(rises, clock, match):
    stopped(match, NOOP, rises=rises, **({} if clock is None else {"clock": clock}))


def test_a_follow_up_out_of_turn_stops():
    for number in (0, 2, 2**63 - 1):
        log = author()
        sent = replace(log.emit(0, APPLIED, 0, max(number, 1)), number=number)
        stops(log.fold, log.write(APPLIED, follow_ups=[sent]), "follow-up" if number else "number")


def test_follow_ups_are_counted_for_each_target_over_the_whole_log():
    log = author()
    log.block(APPLIED, follow_ups=[log.emit(0, APPLIED, 0, 1), log.emit(0, APPLIED, 2, 1)])
    log.block(NOOP, APPLIED, follow_ups=[log.emit(1, APPLIED, 0, 2)])
    assert [log.fold.state.sent(target) for target in range(3)] == [2, 0, 1]
    stops(log.fold, log.write(APPLIED, follow_ups=[log.emit(0, APPLIED, 0, 2)]), "follow-up 2 after 2")


def test_a_follow_up_to_a_partition_that_is_not_there_stops():
    log = author()
    stops(log.fold, log.write(APPLIED, follow_ups=[log.emit(0, APPLIED, 3, 1)]), "partition 3")


CAUSE = OutcomeRow(Status.APPLIED, PAY.type_id, ID, None, Metadata(actor="ann", correlation=b"c" * 16).pack())


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": Source(FOLLOW_UP, bytes(16), 1, 1)},
        {"source": Source(FOLLOW_UP, struct.pack("<I", 1) + GENESIS.log_id[:12], 1, 2)},
        {"source": Source(FOLLOW_UP, struct.pack("<I", 0) + GENESIS.log_id[:12], 1, 1)},
        {"metadata": CAUSE.metadata},
        {"metadata": Metadata(actor="ann", causation=ID, correlation=ID).pack()},
        {"metadata": Metadata(actor="bob", causation=ID, correlation=b"c" * 16).pack()},
    ],
)
def test_a_follow_up_that_does_not_carry_its_cause_stops(wrong):
    log = author()
    stops(log.fold, log.write(CAUSE, follow_ups=[log.emit(0, CAUSE, 0, 1, **wrong)]), "follow-up 1 of offset 0")
    log = author()
    log.block(CAUSE, follow_ups=[log.emit(0, CAUSE, 0, 1)])
    right = Metadata(actor="ann", causation=ID, correlation=b"c" * 16).pack()
    other = author()
    assert other.emit(0, CAUSE, 0, 1) == other.emit(0, CAUSE, 0, 1, metadata=right)


def test_only_a_rejected_follow_up_makes_up_for_itself():
    why = Rejection(Code.PREDICATE, PAY.type_id)
    plain = OutcomeRow(Status.REJECTED, PAY.type_id, ID, rejection=why)
    outside = replace(plain, source=Source(OUTSIDE, b"s" * 16, 1, 0))
    for cause in (plain, outside):
        log = author()
        stops(log.fold, log.write(cause, follow_ups=[log.emit(0, cause, 0, 1)]), "is no follow-up")
    came = replace(plain, source=Source(FOLLOW_UP, struct.pack("<I", 2) + GENESIS.log_id[:12], 1, 4))
    log = author()
    log.block(came, follow_ups=[log.emit(0, came, 0, 1)])
    assert log.fold.state.sent(0) == 1


def test_a_digest_that_is_not_the_states_stops():
    stopped("the digest is .* and the record says", NOOP, digest=bytes(16))
    stopped("the digest is", APPLIED, deltas=[put(0, 1, ANN, body("ann", 8))], digest=b"\x01" * 16)


def test_a_block_of_the_wrong_size_stops():
    log = author()
    stops(log.fold, log.write(NOOP) + bytes(8), "a block: .*nothing after the last section")
    log = author()
    stops(log.fold, log.write(NOOP)[:-8], "a block: ")
    log = author()
    data = log.write(NOOP)
    stops(log.fold, data[:64] + struct.pack("<q", -1) + data[72:], "offsets")


# Ids and sources


def test_ids_are_remembered_for_the_window_and_no_longer():
    log = author()
    applied = replace(APPLIED, id=ID)
    log.block(applied, NOOP, NOOP)
    assert log.fold.state.first_offset(ID) == 0
    log.block(OutcomeRow(Status.DUPLICATE, PAY.type_id, ID, first_offset=0))
    assert log.fold.state.first_offset(ID) == 0
    log.block(NOOP)
    assert log.fold.state.first_offset(ID) is None
    log.block(applied)
    assert (log.fold.state.first_offset(ID), log.fold.digest) == (5, id_term(5, ID))


def test_the_window_does_not_care_how_blocks_are_cut():
    rows = [replace(APPLIED, id=bytes([number % 7]) * 16) if number % 3 else NOOP for number in range(21)]
    one, many = author(), author()
    one.block(*rows)
    for row in rows:
        many.block(row)
    assert one.fold.digest == many.fold.digest
    assert list(one.fold.state._ids) == list(many.fold.state._ids)


# Quarantine


QUARANTINED = OutcomeRow(Status.QUARANTINED, PAY.type_id, ID, Source(OUTSIDE, b"s" * 16, 3, 0))


def test_a_quarantine_counts_only_under_a_claim_that_repeats():
    log = author()
    early = log.write(QUARANTINED, kind=TlogKind.QUARANTINE)
    discards(log.fold, early, Discarded.NOT_REPEATED)
    log.claim(BOB, 1)
    log.block(QUARANTINED, kind=TlogKind.QUARANTINE, rises=[(0, 1_000)])
    state = log.fold.state
    assert (log.fold.settled, state.first_offset(ID), state.mark(OUTSIDE, b"s" * 16), state.clock) == (0, 0, 3, 1_000)
    log.block(NOOP)
    log.claim(EVE, 2)
    discards(log.fold, log.write(QUARANTINED, kind=TlogKind.QUARANTINE), Discarded.NOT_REPEATED)


def test_a_quarantined_id_that_is_remembered_keeps_its_first_offset():
    log = author()
    log.block(replace(APPLIED, id=ID))
    log.claim(BOB, 1)
    log.block(QUARANTINED, kind=TlogKind.QUARANTINE)
    assert log.fold.state.first_offset(ID) == 0


def test_a_quarantine_is_judged_like_a_block():
    log = author()
    log.claim(BOB, 1)
    good = log.write(QUARANTINED, kind=TlogKind.QUARANTINE)
    discards(log.fold, log.write(QUARANTINED, kind=TlogKind.QUARANTINE, reign=ALICE), Discarded.OTHER_REIGN)
    discards(log.fold, log.write(QUARANTINED, kind=TlogKind.QUARANTINE, prev=bytes(32)), Discarded.OTHER_HEAD)
    stops(log.fold, good[:80] + bytes(16) + good[96:], "digest")


# Migration


def grown() -> Author:
    """An author with two accounts whose new claim wants them wider."""
    log = author(ACCOUNT, BADGE)
    changes = [put(0, 0, None, body("ann", 5, 2)), put(1, 0, None, body("bob", -6), ACCOUNT.pack_key(-2))]
    log.block(APPLIED, APPLIED, deltas=changes, rises=[(0, 1_000)])
    log.claim(BOB, 2, OTHER_BUNDLE, WIDER, BADGE)
    return log


def test_a_claim_with_another_layout_is_pending_until_it_is_migrated():
    log = grown()
    fold = log.fold
    assert fold.pending == {"Account": WIDER}
    assert fold.state.layouts["Account"] == ACCOUNT
    discards(fold, log.write(NOOP), Discarded.MIGRATION_FIRST)
    record = fold.propose_migrate([TO_WIDER])
    assert fold.read(fold.next, b"migrate", record).accepted
    assert (fold.pending, fold.settled, fold.state.clock, fold.last_block) == ({}, 1, 1_000, Settled(0, 1, 77))
    assert fold.state.layouts == {"Account": WIDER, "Badge": BADGE}
    assert fold.state.read_page(WIDER.type_id, KEY) == (1, WIDER.pack([5, "ann", 2, 7]))
    assert fold.state.read_page(WIDER.type_id, ACCOUNT.pack_key(-2)) == (2, WIDER.pack([-6, "bob", 1, 7]))
    assert fold.state.read_page(ACCOUNT.type_id, KEY) is None
    fold.state.check()
    log.block(APPLIED, deltas=[DeltaRow(0, WIDER.type_id, KEY, 1, 3, b"")])
    discards(fold, record, Discarded.OTHER_OFFSETS)


def test_proposing_a_migration_changes_nothing():
    log = grown()
    before = snapshot(log.fold)
    log.fold.propose_migrate([TO_WIDER])
    assert snapshot(log.fold) == before
    log.fold.state.check()


def test_a_migration_of_nothing_is_discarded():
    log = grown()
    fold = log.fold
    fold.read(fold.next, b"migrate", fold.propose_migrate([TO_WIDER]))
    again = fold.propose_migrate([])
    discards(fold, again, Discarded.NOTHING_TO_MIGRATE)


def test_another_claim_may_take_a_pending_migration_back():
    log = grown()
    record = log.fold.propose_migrate([TO_WIDER])
    log.claim(EVE, 3, BUNDLE, ACCOUNT)
    assert log.fold.pending == {}
    discards(log.fold, record, Discarded.OTHER_REIGN)
    log.block(NOOP)


@pytest.mark.parametrize(
    ("at", "new", "reason"),
    [
        (8, ALICE, Discarded.OTHER_REIGN),
        (24, bytes(32), Discarded.OTHER_HEAD),
        (56, struct.pack("<q", 1), Discarded.OTHER_OFFSETS),
        (64, struct.pack("<q", 2), Discarded.OTHER_OFFSETS),
    ],
)
def test_a_migrate_record_is_judged_like_a_block(at, new, reason):
    fold = grown().fold
    record = fold.propose_migrate([TO_WIDER])
    discards(fold, record[:at] + new + record[at + len(new) :], reason)


@pytest.mark.parametrize(
    ("at", "new", "match"),
    [
        (72, struct.pack("<q", 2_000), "expected the clock 1000"),
        (80, bytes(16), "digest"),
        (96, b"\x01", "a migrate"),
        (112, b"{", "a migrate"),
    ],
)
def test_a_migrate_record_that_is_not_what_it_must_be_stops(at, new, match):
    fold = grown().fold
    record = fold.propose_migrate([TO_WIDER])
    stops(fold, record[:at] + new + record[at + len(new) :], match)


@pytest.mark.parametrize(
    ("plans", "match"),
    [
        ([], "steps for"),
        ([TO_WIDER, Migration("Badge", BADGE.type_id, BADGE.type_id, ())], "steps for"),
        ([replace(TO_WIDER, page="Badge")], "steps for"),
        ([replace(TO_WIDER, from_type=7)], "steps between other layouts"),
        ([replace(TO_WIDER, to_type=7)], "steps between other layouts"),
        ([replace(TO_WIDER, steps=STEPS[:-1])], "the steps lead to"),
        ([replace(TO_WIDER, steps=(*STEPS, Step("drop", "kind")))], "the steps lead to"),
    ],
)
def test_a_migration_to_elsewhere_stops(plans, match):
    fold = grown().fold
    header, _ = unpack_migrate(fold.propose_migrate([TO_WIDER]))
    stops(fold, pack_migrate(header, plans), match)


# The writer's own path


def stepped(log: Author, *outcomes: OutcomeRow) -> tuple[bytes, Digest]:
    """A block whose effects the author's state has already, as a machine leaves it."""
    block = log.write(*outcomes)
    for index, outcome in enumerate(outcomes):
        log.fold.state.settle(log.fold.settled + 1 + index, outcome.status, outcome.id, outcome.source)
    return block, log.fold.state.digest


def test_acknowledging_advances_the_fold_and_leaves_the_state_alone():
    log, other = author(), author()
    block, digest = stepped(log, replace(APPLIED, id=ID), NOOP)
    log.fold.state.settle(2, Status.APPLIED, b"j" * 16, None)  # the machine is ahead
    ahead = log.fold.digest
    assert log.fold.acknowledge(2, b"block", block, digest, chain(log.fold.head, b"block", block)).accepted
    assert other.fold.read(2, b"block", block).accepted
    for name in ("settled", "next", "head", "head_prev", "accepted_at", "last_block"):
        assert getattr(log.fold, name) == getattr(other.fold, name)
    assert log.fold.digest == ahead


def test_acknowledging_judges_the_header():
    log = author()
    block, digest = stepped(log, NOOP)
    log.claim(BOB, 2)
    verdict = log.fold.acknowledge(3, b"block", block, digest, chain(log.fold.head, b"block", block))
    assert verdict.discarded == Discarded.OTHER_REIGN


def test_acknowledging_a_block_of_another_digest_stops():
    log = author()
    block, _ = stepped(log, replace(APPLIED, id=ID))
    before = snapshot(log.fold)
    with pytest.raises(CorruptState, match="the digest is"):
        log.fold.acknowledge(2, b"block", block, Digest(1, 2), chain(log.fold.head, b"block", block))
    assert snapshot(log.fold) == before


# Any log


def history() -> list[tuple[bytes, bytes]]:
    """A log of all kinds of records, all accepted."""
    log = grown()
    log.add(TlogKind.MIGRATE, log.fold.propose_migrate([TO_WIDER]))
    log.block(replace(APPLIED, id=ID), NOOP)
    log.claim(EVE, 2, OTHER_BUNDLE, WIDER, BADGE)
    log.block(QUARANTINED, kind=TlogKind.QUARANTINE)
    sent = [log.emit(0, APPLIED, 0, 1)]
    log.block(APPLIED, follow_ups=sent, deltas=[DeltaRow(0, WIDER.type_id, KEY, 1, 3, b"")])
    return log.records


HISTORY = history()
RESULT = snapshot(folded(HISTORY))


def zombies() -> list[tuple[int, bytes]]:
    """What a rival prepared on each state of the history, and the first place at which that is too late."""
    late: list[tuple[int, bytes]] = []
    log = Author()
    for place, (key, value) in enumerate(HISTORY[1:], 1):
        late.append((place + 1, log.write(*[NOOP] * (1 + place % 3))))
        if key == b"claim":  # only another claim makes a claim void
            late.append((place + 1, claim(log.fold.reign, bytes([place]) * 16, 9)))
        log.add(TlogKind[key.decode().upper()], value)
    return late


LATE = zombies()


@given(st.data())
def test_doubles_zombies_and_noise_anywhere_change_nothing_that_counts(data):
    records = []
    for place, record in enumerate(HISTORY):
        void: list[bytes | None] = [b"", b"noise", b"MMT\x01\x01\x00", None]
        void += [value for _, value in HISTORY[:place]] + [value for after, value in LATE if after <= place]
        for _ in range(data.draw(st.integers(0, 2)) if place else 0):
            records.append((b"extra", data.draw(st.sampled_from(void))))
        records.append(record)
    found = snapshot(folded(records))
    assert sum(found["discarded"].values()) == len(records) - len(HISTORY)
    assert found["next"] == len(records)
    assert records[found["accepted_at"]] == HISTORY[-1]
    assert {**found, "next": RESULT["next"], "accepted_at": RESULT["accepted_at"], "discarded": {}} == RESULT


@given(st.integers(1, len(HISTORY) - 1), st.data())
def test_a_damaged_record_is_discarded_or_stops_or_is_whole(place, data):
    fold = folded(HISTORY[:place])
    key, value = HISTORY[place]
    before = snapshot(fold)
    with contextlib.suppress(CorruptState):
        if fold.read(place, key, data.draw(mutated(st.just(value)))).accepted:
            fold.state.check()
            return
        before = {**before, "next": place + 1, "discarded": dict(fold.discarded)}
    assert snapshot(fold) == before
    fold.state.check()


def test_folding_again_gives_the_same():
    assert snapshot(folded(HISTORY)) == RESULT
