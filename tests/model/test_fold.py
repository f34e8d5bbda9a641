"""The fold's rules: what is accepted, what is discarded, what stops; and migrations."""

import json
from dataclasses import replace

import pytest

from tests.model import tlog
from tests.model.batch import Record
from tests.model.bundle import Bundle, Field, Page
from tests.model.compiled import Compiled
from tests.model.descriptors import widens
from tests.model.examples import BANK, DEPOSIT, REFUND
from tests.model.fold import ACCEPTED, DISCARDED, STOPPED, Fold
from tests.model.machine import Machine
from tests.model.state import State
from tests.model.writer import make_block, make_claim, make_migrate

LOG = bytes(range(1, 17))
GENESIS = tlog.Genesis(LOG, 1, 0, 100, "bank").encode()
A, B = b"a" * 16, b"b" * 16
CODE, OTHER_CODE = b"1" * 32, b"2" * 32
COMPILED = Compiled(BANK)


def begun():
    fold = Fold()
    assert fold.feed(b"genesis", GENESIS) == ACCEPTED
    assert fold.feed(b"claim", make_claim(COMPILED, bytes(16), A, 1, CODE)) == ACCEPTED
    return fold


def next_block(fold, machine, reign=A, prev=None):
    record = Record(fold.settled + 1, 1000, b'{"@type": "Deposit", "dst": 1, "amount": 5}')
    clock = machine.state.clock
    outcomes = machine.step([record])
    return make_block(reign, prev or fold.head, [record], outcomes, clock, machine.state)


def test_the_first_record_is_a_genesis():
    for value in (None, b"", b"x", make_claim(COMPILED, bytes(16), A, 1, CODE), GENESIS[:-1], GENESIS + bytes(8)):
        assert Fold().feed(None, value) == STOPPED
    fold = begun()
    assert fold.feed(b"genesis", GENESIS) == DISCARDED
    assert (fold.settled, fold.next, fold.discarded, fold.accepted_at) == (-1, 3, 1, 1)


def test_claims():
    fold = begun()
    for after, generation, code in ((B, 2, CODE), (A, 0, CODE), (A, 1, OTHER_CODE)):
        assert fold.feed(b"claim", make_claim(COMPILED, after, B, generation, code)) == DISCARDED
    assert fold.feed(b"claim", make_claim(COMPILED, A, B, 1, CODE)) == ACCEPTED
    assert (fold.reign, fold.repeats) == (B, True)
    assert fold.feed(b"claim", make_claim(COMPILED, B, A, 5, OTHER_CODE, 2)) == ACCEPTED
    assert (fold.generation, fold.bundle, fold.repeats, fold.durability) == (5, OTHER_CODE, False, 2)
    assert fold.feed(b"claim", make_claim(COMPILED, A, A, 6, CODE)) == STOPPED


def test_what_is_not_ours_is_discarded():
    fold = begun()
    block = next_block(fold, Machine(BANK, log_id=LOG))
    for value in (None, b"", b"MMT", b"MMT\x01", b"MMT\x01\3\0", block[:151], b"MMD\x01" + bytes(200)):
        assert fold.feed(b"block", value) == DISCARDED
    assert fold.feed(b"block", block) == ACCEPTED
    assert begun().feed(None, b"MMT\x02") == STOPPED
    assert begun().feed(None, b"MMT\x01\x06\0") == STOPPED


def test_blocks_out_of_place_are_discarded():
    fold = begun()
    machine = Machine(BANK, log_id=LOG)
    assert fold.feed(b"block", next_block(fold, Machine(BANK, log_id=LOG), reign=B)) == DISCARDED
    assert fold.feed(b"block", next_block(fold, Machine(BANK, log_id=LOG), prev=bytes(32))) == DISCARDED
    first = next_block(fold, machine)
    assert fold.feed(b"block", first) == ACCEPTED
    assert fold.feed(b"block", first) == DISCARDED
    late = next_block(fold, machine)
    assert fold.feed(b"claim", make_claim(COMPILED, A, B, 1, CODE)) == ACCEPTED
    assert fold.feed(b"block", late) == DISCARDED


@pytest.mark.parametrize("at", [6, 72, 80, 95, 148, 152, 160, 200, -1])
def test_damage_behind_a_good_header_stops(at):
    fold = begun()
    block = bytearray(next_block(fold, Machine(BANK, log_id=LOG)))
    block[at] ^= 1
    assert fold.feed(b"block", bytes(block)) == STOPPED
    assert (fold.settled, fold.state) == (-1, State())


def migrated(steps, page):
    """A fold with two accounts, claimed for another layout, and the migration fed."""
    fold, machine = begun(), Machine(BANK, log_id=LOG)
    assert fold.feed(None, next_block(fold, machine)) == ACCEPTED
    compiled = Compiled(Bundle("bank", (page,), (replace(REFUND, query=()), replace(DEPOSIT, delta=()))))
    assert fold.feed(None, make_claim(compiled, A, B, 2, OTHER_CODE)) == ACCEPTED
    assert list(fold.pending) == ["Account"]
    assert fold.feed(None, next_block(fold, Machine(BANK, log_id=LOG, state=fold.state.copy()), reign=B)) == DISCARDED
    old, new = COMPILED.pages["Account"], compiled.pages["Account"]
    entry = {"page": "Account", "from": f"{old.type_id:016x}", "to": f"{new.type_id:016x}", "steps": steps}
    after = fold.state.copy()
    for (_, key), (epoch, _) in list(after.pages.items()):
        values = {"name": "", "balance": 5, "level": 7}
        after.pages = {(new.type_id, key): (epoch, new.encode(values))} if set(values) == set(new.by_name) else {}
    migrate = make_migrate(B, fold.head, fold.settled, fold.state.clock, after.digest(), [entry])
    return fold, fold.feed(None, migrate), new


STEPS = [
    {"field": "owner", "op": "rename", "to": "name"},
    {"field": "name", "op": "widen", "type": "text(32)"},
    {"field": "moves", "op": "drop"},
    {"field": "level", "op": "add"},
]
NEW = Page(
    "Account", ("u64",), (Field("level", "u8", (), 7), Field("name", "text(32)"), Field("balance", "i64", (("ge", 0),)))
)


def test_a_migration_moves_pages_to_their_new_layout():
    fold, result, new = migrated(STEPS, NEW)
    assert (result, fold.stopped) == (ACCEPTED, "")
    ((type_id, _), (epoch, body)), *_ = fold.state.pages.items()
    assert (type_id, epoch) == (new.type_id, 1)
    assert new.decode(body) == {"level": 7, "name": "", "balance": 5}
    assert (fold.settled, fold.pending) == (0, {})


@pytest.mark.parametrize("wrong", [STEPS[1:], STEPS[:3], [*STEPS, {"field": "balance", "op": "add"}], [{"op": "drop"}]])
def test_wrong_steps_stop(wrong):
    fold, result, _ = migrated(wrong, NEW)
    assert result == STOPPED
    assert fold.pending


def test_widening():
    assert widens("i8", "i64")
    assert widens("u32", "i64")
    assert widens("text(3)", "text(4)")
    for old, new in (
        ("i8", "u16"),
        ("u64", "i64"),
        ("text(4)", "text(4)"),
        ("i8", "f64"),
        ("i64", "time"),
        ("i8", "i8"),
    ):
        assert not widens(old, new)


def test_the_descriptor_is_canonical():
    text = COMPILED.descriptor_bytes().decode()
    assert json.loads(text)["messages"] == ["insufficient funds"]
    assert text.startswith('{"app":"bank","hops_max":8,"intents":[{"fields":[{"bounds":[],"default":null,"name":"src"')
