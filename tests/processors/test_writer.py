"""One writer's side of the protocol: it claims, steps ahead, reads back, and believes what the fold says."""

import pytest

from mmsb.processors.doors import Query
from mmsb.processors.judging import judge
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.errors import CorruptState, InvalidValue, Superseded
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.claims import unpack_claim
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.fold import Discarded, Fold, Verdict
from tests.processors.tlogs import (
    ALICE,
    BOB,
    EVE,
    FIRST,
    GENESIS,
    SECOND,
    THIRD,
    TILL,
    TO_WIDE,
    WIDE,
    Node,
    Tlog,
    intents,
    pay,
)
from tests.state.logs import snapshot


@pytest.fixture
def tlog() -> Tlog:
    return Tlog()


@pytest.fixture
def alice(tlog: Tlog) -> Node:
    """A writer that reigns."""
    node = Node(tlog, ALICE)
    node.take()
    return node


def reasons(verdicts: list[Verdict]) -> list[Discarded | None]:
    return [verdict.discarded for verdict in verdicts]


def agrees(node: Node) -> None:
    """What a writer that has read everything and stepped nothing beyond it believes is what the log says."""
    assert not node.writer.pending
    assert snapshot(node.writer.fold) == snapshot(node.tlog.folded(node.writer.fold.next))
    node.writer.fold.state.check()


# Claiming


def test_a_writer_reigns_once_its_claim_is_read_back(tlog):
    node = Node(tlog, ALICE)
    entry = node.writer.claim()
    assert (entry.key, node.writer.reigns) == (b"claim", False)
    node.append(entry)
    assert not node.writer.reigns, "an append proves nothing"
    assert reasons(node.read()) == [None]
    assert node.writer.reigns
    assert not node.writer.superseded
    agrees(node)


def test_a_claim_follows_the_reign_that_was_read_and_is_the_same_when_asked_for_again(tlog, alice):
    bob = Node(tlog, BOB, SECOND)
    claim = unpack_claim(bob.writer.claim().value)
    assert (claim.after, claim.nonce, claim.generation, claim.bundle) == (ALICE, BOB, 2, SECOND.hash)
    assert claim.descriptor == SECOND.descriptor
    assert bob.writer.claim() == bob.writer.claim()


@pytest.mark.parametrize("nonce", [b"", b"short", bytes(16), ALICE, b"n" * 17])
def test_a_nonce_that_cannot_open_a_reign_is_refused(tlog, alice, nonce):
    with pytest.raises(InvalidValue):
        Node(tlog, nonce).writer.claim()


def test_a_bundle_of_another_application_is_refused_before_it_stops_every_reader():
    fold = Fold(Genesis(GENESIS.log_id, "shop").pack())
    with pytest.raises(InvalidValue, match=r"'shop'.*'till'"):
        Writer(FIRST, fold, ALICE)


def test_nothing_is_stepped_before_the_claim_is_read_back(tlog):
    node = Node(tlog, ALICE)
    for attempt in (
        lambda: node.writer.machine,
        lambda: node.writer.step(intents(0, pay(1, 5))),
        lambda: node.writer.quarantine(intents(0, pay(1, 5))),
        lambda: node.writer.migrate([]),
    ):
        with pytest.raises((Superseded, InvalidValue)):
            attempt()


def test_of_two_claims_the_first_in_the_log_wins(tlog):
    alice, bob = Node(tlog, ALICE), Node(tlog, BOB)
    bob.append(bob.writer.claim())
    alice.append(alice.writer.claim())
    assert reasons(alice.read()) == [None, Discarded.OTHER_REIGN]
    assert reasons(bob.read()) == [None, Discarded.OTHER_REIGN]
    assert (alice.writer.reigns, bob.writer.reigns) == (False, True)
    assert not alice.writer.superseded, "it never reigned: it may claim again"
    alice.append(alice.writer.claim())
    alice.read()
    assert alice.writer.reigns
    bob.read()
    assert bob.writer.superseded


def test_a_writer_that_lost_the_race_reads_on_and_may_claim_after_all(tlog):
    alice, bob = Node(tlog, ALICE), Node(tlog, BOB)
    bob.take()
    alice.append(alice.writer.claim())
    bob.settle(pay(1, 5))
    assert reasons(alice.read()) == [None, Discarded.OTHER_REIGN, None]
    with pytest.raises(Superseded):
        _ = alice.writer.machine
    alice.take()
    outcome = alice.settle(pay(1, 6))
    assert outcome.first == 1
    agrees(alice)


def test_a_claim_of_a_lower_generation_or_of_other_code_is_refused_by_the_fold(tlog):
    Node(tlog, ALICE, SECOND).take()
    bob = Node(tlog, BOB, FIRST)
    bob.append(bob.writer.claim())
    assert reasons(bob.read()) == [Discarded.LOWER_GENERATION]
    assert not bob.writer.reigns


def test_a_delayed_double_of_a_claim_is_discarded(tlog, alice):
    claim = Entry(*tlog.records[1])
    tlog.append(claim)
    assert reasons(alice.read()) == [Discarded.OTHER_REIGN]
    alice.settle(pay(1, 5))
    agrees(alice)


# Stepping


def test_a_block_counts_when_it_is_read_back(tlog, alice):
    entry, outcome = alice.step(pay(1, 5), b"garbage", pay(1, 7))
    assert (entry.key, alice.writer.pending) == (b"block", [entry])
    assert (outcome.first, outcome.last, alice.writer.fold.settled) == (0, 2, -1)
    alice.append(entry)
    assert reasons(alice.read()) == [None]
    assert (alice.writer.fold.settled, alice.writer.pending, alice.accepted) == (2, [], [outcome])
    assert alice.writer.machine.read(Query(TILL[1])).total == 12
    agrees(alice)


def test_several_blocks_are_stepped_ahead_and_read_back_in_order(tlog, alice):
    steps = [alice.step(pay(1, number)) for number in range(1, 6)]
    assert alice.writer.pending == [entry for entry, _ in steps]
    for count, (entry, _) in enumerate(steps, 1):
        alice.append(entry)
        assert reasons(alice.read()) == [None]
        assert alice.writer.fold.settled == count - 1
        assert tlog.folded().digest == steps[count - 1][1].digest
    assert alice.accepted == [outcome for _, outcome in steps]
    agrees(alice)


def test_stepping_goes_on_between_reads(tlog, alice):
    first, _ = alice.step(pay(1, 1))
    second, _ = alice.step(pay(1, 2))
    alice.append(first)
    alice.read()
    third, _ = alice.step(pay(2, 3))
    for entry in (second, third):
        alice.append(entry)
    assert reasons(alice.read()) == [None, None]
    agrees(alice)


def test_a_block_that_was_lost_is_appended_again_byte_for_byte(tlog, alice):
    first, _ = alice.step(pay(1, 1))
    second, _ = alice.step(pay(1, 2))
    alice.append(second)  # the first never arrived
    assert reasons(alice.read()) == [Discarded.OTHER_OFFSETS]
    assert alice.writer.pending == [first, second]
    for entry in alice.writer.pending:
        alice.append(entry)
    assert reasons(alice.read()) == [None, None]
    agrees(alice)


def test_a_delayed_double_of_a_block_is_discarded(tlog, alice):
    entry, _ = alice.step(pay(1, 1))
    for _ in range(3):
        alice.append(entry)
    assert reasons(alice.read()) == [None, Discarded.OTHER_OFFSETS, Discarded.OTHER_OFFSETS]
    assert len(alice.accepted) == 1
    alice.settle(pay(1, 2))
    alice.append(entry)
    alice.read()
    agrees(alice)


def test_two_steps_of_equal_content_are_two_blocks(tlog, alice):
    entries = [alice.step(None)[0], alice.step(None)[0]]
    assert entries[0] != entries[1]
    for entry in entries:
        alice.append(entry)
    assert reasons(alice.read()) == [None, None]
    agrees(alice)


@pytest.mark.parametrize("first", [1, 5])
def test_a_gap_in_the_intents_is_refused(alice, first):
    with pytest.raises(InvalidValue, match="from offset 0 on"):
        alice.writer.step(intents(first, pay(1, 1)))


def test_no_records_are_no_step(alice):
    with pytest.raises(InvalidValue, match="from offset 0 on"):
        alice.writer.step(intents(0))
    assert alice.writer.pending == []


def test_a_step_that_broke_off_is_noticed_by_the_next(alice, monkeypatch):
    """What it had applied is in the state and in no block: nothing of this writer may count any more."""

    def breaks(*_):
        raise MemoryError

    def step(*values: bytes) -> None:
        alice.writer.step(intents(alice.writer.machine.settled + 1, *values))

    monkeypatch.setattr("mmsb.processors.machine.judge", lambda *at: breaks() if at[2] == 1 else judge(*at))
    with pytest.raises(MemoryError):
        step(pay(1, 1), pay(1, 2))
    monkeypatch.undo()
    with pytest.raises(AssertionError, match="no step was lost"):
        step(pay(1, 3))


def test_noise_between_a_writers_blocks_changes_nothing(tlog, alice):
    for value in (b"noise", b"", b"MMT\x01\x03\x00", GENESIS.pack()):
        tlog.append(Entry(b"noise", value))
        alice.settle(pay(1, 1))
    tlog.records.append((None, None))
    alice.read()
    agrees(alice)


# Another's claim


def test_a_zombies_block_after_a_newer_claim_is_discarded_and_it_learns_why(tlog, alice):
    alice.settle(pay(1, 1))
    entry, _ = alice.step(pay(1, 2))
    bob = Node(tlog, BOB)
    bob.take()
    alice.append(entry)
    assert reasons(bob.read()) == [Discarded.OTHER_REIGN]
    bob.settle(pay(1, 40))
    assert reasons(alice.read()) == [None]
    assert alice.writer.superseded
    assert len(alice.accepted) == 1, "the block that came too late is never released"
    agrees(bob)
    assert bob.writer.machine.read(Query(TILL[1])).total == 41


def test_a_block_before_the_newer_claim_counts_though_its_writer_is_superseded(tlog, alice):
    entry, outcome = alice.step(pay(1, 1))
    alice.append(entry)
    bob = Node(tlog, BOB)
    bob.append(bob.writer.claim())
    assert reasons(alice.read()) == [None, None]
    assert alice.accepted == [outcome]
    assert alice.writer.superseded
    bob.read()
    assert bob.writer.machine.read(Query(TILL[1])).total == 1


def test_a_superseded_writer_does_nothing_more(tlog, alice):
    bob = Node(tlog, BOB)
    bob.take()
    alice.read()
    for attempt in (
        lambda: alice.writer.machine,
        lambda: alice.writer.step(intents(0, pay(1, 1))),
        lambda: alice.writer.migrate([]),
        lambda: alice.writer.read(alice.writer.fold.next, b"x", None),
        alice.writer.claim,
    ):
        with pytest.raises(Superseded):
            attempt()


def test_a_writer_is_superseded_before_it_could_migrate(tlog, alice):
    alice.settle(pay(1, 1))
    bob = Node(tlog, BOB, THIRD)
    bob.append(bob.writer.claim())
    eve = Node(tlog, EVE, THIRD)
    bob.read()
    assert bob.writer.reigns
    eve.read()
    eve.append(eve.writer.claim())
    bob.read()
    assert bob.writer.superseded
    with pytest.raises(Superseded):
        bob.writer.migrate([TO_WIDE])


def test_the_next_writer_goes_on_where_the_log_is(tlog, alice):
    alice.settle(pay(1, 1, "first"), pay(1, 2))
    bob = Node(tlog, BOB, SECOND)
    bob.take()
    outcome = bob.settle(pay(1, 1, "first"), None)
    assert (outcome.first, outcome[2].status) == (2, Status.DUPLICATE)
    assert outcome[2].first_offset == 0
    agrees(bob)


def test_a_block_of_this_reign_that_this_writer_did_not_write_stops_it(tlog):
    """One appender per reign; whatever the reason, there is doubt."""
    alice, double = Node(tlog, ALICE), Node(tlog, ALICE)
    alice.take()
    double.read()
    double.append(double.step(None)[0])
    with pytest.raises(CorruptState, match="did not write"):
        alice.read()


def test_the_record_that_was_stepped_under_another_key_stops_the_writer(tlog, alice):
    """The chain covers keys, so what was stepped after it could never count."""
    entry, _ = alice.step(pay(1, 1))
    tlog.append(Entry(b"else", entry.value))
    with pytest.raises(CorruptState):
        alice.read()


# Migrating


def test_a_writer_migrates_before_it_steps(tlog, alice):
    alice.settle(pay(1, 5), pay(1, 6))
    bob = Node(tlog, BOB, THIRD)
    bob.append(bob.writer.claim())
    bob.read()
    assert bob.writer.reigns
    with pytest.raises(Superseded):
        bob.writer.step(intents(2, pay(1, 1)))
    entry = bob.writer.migrate([TO_WIDE])
    assert entry.key == b"migrate"
    bob.append(entry)
    assert reasons(bob.read()) == [None]
    page = bob.writer.machine.read(Query(WIDE[1]))
    assert (page.count, page.total, page.limit) == (2, 11, 99)
    bob.settle(pay(1, 5))
    assert bob.writer.machine.read(Query(WIDE[1])).total == 16
    bob.append(entry)
    assert reasons(bob.read()) == [Discarded.OTHER_OFFSETS]
    agrees(bob)


def test_steps_that_lead_elsewhere_are_refused_and_change_nothing(tlog, alice):
    alice.settle(pay(1, 5))
    bob = Node(tlog, BOB, THIRD)
    bob.append(bob.writer.claim())
    bob.read()
    before = snapshot(bob.writer.fold)
    for plans in ([], [TO_WIDE, TO_WIDE]):
        with pytest.raises(InvalidValue):
            bob.writer.migrate(plans)
    assert snapshot(bob.writer.fold) == before


def test_there_is_nothing_to_migrate_under_the_same_layouts(alice):
    with pytest.raises(InvalidValue, match="nothing"):
        alice.writer.migrate([])


# Quarantine


def test_a_quarantine_needs_a_claim_that_repeats_the_one_before(tlog, alice):
    with pytest.raises(InvalidValue, match="a quarantine needs"):
        alice.writer.quarantine(intents(0, pay(1, 5)))
    bob = Node(tlog, BOB)
    bob.take()
    entry, outcome = bob.writer.quarantine(intents(0, pay(1, 5, "poison")))
    assert (entry.key, outcome.kind, outcome[0].status) == (b"quarantine", TlogKind.QUARANTINE, Status.QUARANTINED)
    after, _ = bob.step(pay(1, 7), pay(1, 5, "poison"))
    for one in (entry, after):
        bob.append(one)
    assert reasons(bob.read()) == [None, None]
    assert [row.status for row in bob.accepted[1].outcomes] == [Status.APPLIED, Status.DUPLICATE]
    assert bob.writer.machine.read(Query(TILL[1])).total == 7
    agrees(bob)


@pytest.mark.parametrize("count", [0, 2])
def test_a_quarantine_settles_one_record(tlog, alice, count):
    bob = Node(tlog, BOB)
    bob.take()
    with pytest.raises(InvalidValue, match="one record"):
        bob.writer.quarantine(intents(0, *[pay(1, 1)] * count))
    assert bob.writer.pending == []


# In a prompt


def test_entries_show_what_they_are(alice):
    assert repr(alice.step(pay(1, 1))[0]).startswith("Entry(block, ")
    assert repr(Entry(b"claim", b"xyz")) == "Entry(claim, 3 bytes)"
