"""The model's machine and fold against a bank worked out by hand."""

import json

from tests.model import deltas, doors, events, metadata, tlog
from tests.model.batch import Record
from tests.model.blocks import decode_block
from tests.model.constants import APPLIED, DUPLICATE, NOOP, REJECTED
from tests.model.examples import BANK
from tests.model.fold import ACCEPTED, DISCARDED, STOPPED, Fold
from tests.model.intents import FOLLOW_UP, OUTSIDE, Source, pack, read_envelope
from tests.model.layout import MUTATE_ID, UPSERT_ID, follow_up_source, id_of_text, position_id
from tests.model.machine import Machine
from tests.model.writer import make_block, make_claim, make_quarantine

LOG = bytes(range(1, 17))


class Bank:
    def __init__(self, **settings):
        self.machine = Machine(BANK, log_id=LOG, **settings)
        self.records = []

    def record(self, value, time=1000, **flags):
        self.records.append(Record(len(self.records), time, value, **flags))
        return self.machine.judge(self.records[-1])

    def json(self, type_name, **members):
        more = {"@" + name[1:]: members.pop(name) for name in list(members) if name.startswith("_")}
        return self.record(json.dumps({"@type": type_name} | more | members).encode())

    def packed(self, type_name, source=None, id=None, metadata=b"", **values):
        layout = self.machine.compiled.intents[type_name]
        return self.record(pack(layout.type_id, layout.encode(values), source=source, id=id, metadata=metadata))

    def page(self, key):
        layout = self.machine.compiled.pages["Account"]
        epoch, body = self.machine.state.pages[layout.type_id, key.to_bytes(8, "little")]
        return epoch, layout.decode(body)


def funded():
    bank = Bank()
    assert bank.json("Deposit", dst=1, amount=100).status == APPLIED
    return bank


def test_a_transfer_moves_money():
    bank = funded()
    out = bank.json("Transfer", src=1, dst=2, amount=10)
    assert out.status == APPLIED
    assert bank.page(1) == (2, {"owner": "", "balance": 90, "moves": 1})
    assert bank.page(2) == (2, {"owner": "", "balance": 10, "moves": 1})
    assert [(d.base, d.key[0], d.kind, d.payload) for d in out.deltas] == [
        (1, 1, 0, b"\1\0\3\0\2\0\0\0" + (90).to_bytes(8, "little") + (1).to_bytes(8, "little")),
        (0, 2, 0, b"\1\0\3\0\2\0\0\0" + (10).to_bytes(8, "little") + (1).to_bytes(8, "little")),
    ]


def test_the_same_page_twice_is_one_record():
    bank = funded()
    out = bank.json("Transfer", src=1, dst=1, amount=10)
    assert bank.page(1) == (2, {"owner": "", "balance": 100, "moves": 2})
    assert len(out.deltas) == 1


def test_rejections_have_their_rows():
    bank = funded()
    transfer = bank.machine.compiled.intents["Transfer"].type_id
    account = bank.machine.compiled.pages["Account"].type_id

    def row(out):
        assert out.status == REJECTED
        r = out.row
        return (r.name, r.type_id, r.field, r.ordinal, r.op, r.kind, int.from_bytes(r.value, "little", signed=True),
                int.from_bytes(r.bound, "little", signed=True))  # fmt: skip

    assert row(bank.json("Transfer", src=1, dst=2, amount=0)) == ("bound", transfer, 3, 0, 2, 1, 0, 0)
    assert row(bank.json("Transfer", src=1, dst=2, amount=101)) == ("predicate", transfer, 0, 0, 0, 0, 0, 0)
    assert row(bank.json("Transfer", src=-1, dst=2, amount=1)) == ("out_of_range", transfer, 1, 0, 1, 1, -1, 0)
    assert row(bank.json("Deposit", dst=1, amount=2**63 - 1))[0] == "overflow"
    assert row(bank.json("Deposit", dst=3, amount=-1)) == ("invariant", account, 2, 0, 1, 1, -1, 0)
    assert row(bank.json("Send", src=2, dst=3, amount=1))[0] == "refused"
    assert row(bank.json("Transfer", src=1, dst=2))[:3] == ("missing_field", transfer, 3)
    assert row(bank.json("Transfer", src=1, dst=2, amount=1, more=1))[0] == "unknown_field"
    assert row(bank.json("Transfer", src=1, dst=2, amount=1.0))[:3] == ("wrong_type", transfer, 3)
    assert row(bank.json("Nothing"))[0] == "unknown_type"
    assert row(bank.record(b"")) == ("not_an_intent", 0, 0, 0, 0, 1, -1, 0)
    assert row(bank.record(b"x")) == ("not_an_intent", 0, 0, 0, 0, 1, 120, 0)
    assert row(bank.record(b"MMI\x02" + bytes(12))) == ("unknown_version", 0, 0, 0, 0, 1, 2, 0)
    assert row(bank.record(b"M"))[0] == "malformed"
    assert row(bank.record(b'{"@type": "Send", }')) == ("json_syntax", 0, 0, 0, 0, 1, 18, 0)
    assert row(bank.record(b"{}", transactional=True))[0] == "transactional"
    assert row(bank.record(b" " * 262_145)) == ("intent_too_large", 0, 0, 0, 0, 1, 262_145, 262_144)
    assert bank.record(b"{}", control=True).status == NOOP


def test_an_id_is_remembered_for_w_offsets():
    bank = Bank(window=2)
    assert bank.json("Deposit", dst=1, amount=1, _id="a").status == APPLIED
    out = bank.json("Deposit", dst=1, amount=1, _id="a")
    assert (out.status, out.first) == (DUPLICATE, 0)
    assert bank.json("Deposit", dst=1, amount=-5, _id="b").status == REJECTED
    assert bank.json("Deposit", dst=1, amount=1, _id="a").status == APPLIED
    assert (bank.json("Deposit", dst=1, amount=9, _id="b").first) == 2
    assert bank.machine.state.ids == {id_of_text("a"): 3}


def test_sources():
    bank = Bank()
    assert bank.json("Deposit", dst=1, amount=1, _source="s", _number=5).status == APPLIED
    out = bank.json("Deposit", dst=1, amount=1, _source="s", _number=5)
    assert (out.status, out.first) == (DUPLICATE, -1)
    assert bank.json("Deposit", dst=1, amount=1, _source="s", _number=9).status == APPLIED
    own = follow_up_source(0, LOG)
    assert bank.packed("Deposit", Source(FOLLOW_UP, own, 2, 1), id=bytes(16), dst=1, amount=1).status == NOOP
    assert bytes(16) not in bank.machine.state.ids
    assert bank.packed("Deposit", Source(FOLLOW_UP, own, 1, 1), dst=1, amount=1).status == APPLIED
    foreign = bank.packed("Deposit", Source(FOLLOW_UP, bytes(16), 1, 1), dst=1, amount=1)
    assert foreign.rejection == "foreign_source"
    assert foreign.source is None
    assert sorted(bank.machine.state.marks.values()) == [1, 9]
    assert {kind for kind, _ in bank.machine.state.marks} == {FOLLOW_UP, OUTSIDE}


def test_follow_ups_and_their_compensation():
    bank = funded()
    out = bank.json("Send", src=1, dst=2, amount=7, _actor="alice")
    (follow_up,) = out.follow_ups
    envelope = read_envelope(follow_up.value)
    assert (follow_up.target, follow_up.number) == (0, 1)
    assert envelope.source == Source(FOLLOW_UP, follow_up_source(0, LOG), 1, 1)
    cause = position_id(0, LOG, 1)
    assert metadata.decode(envelope.metadata) == {
        metadata.ACTOR: b"alice",
        metadata.CORRELATION: cause,
        metadata.CAUSATION: cause,
    }
    assert bank.record(follow_up.value).status == APPLIED
    assert bank.page(2)[1]["balance"] == 7

    rejected = bank.packed("Deposit", Source(FOLLOW_UP, follow_up_source(0, LOG), 2, 4), dst=3, amount=-1)
    assert rejected.rejection == "invariant"
    (refund,) = rejected.follow_ups
    assert refund.number == 2
    assert read_envelope(refund.value).source == Source(FOLLOW_UP, follow_up_source(0, LOG), 2, 5)
    assert bank.machine.state.sent == {0: 2}


def test_delete_and_exist_again():
    bank = funded()
    out = bank.json("Close", src=1)
    assert [(d.kind, d.base, d.payload) for d in out.deltas] == [(deltas.DELETE, 1, b"")]
    assert bank.machine.state.pages == {}
    assert bank.json("Close", src=1).deltas == []
    assert bank.json("Deposit", dst=1, amount=0).deltas[0].payload == bytes(8)


def test_the_doors():
    bank = funded()
    layout = bank.machine.compiled.pages["Account"]
    before = layout.encode({"owner": "", "balance": 100, "moves": 0})
    after = layout.encode({"owner": "ann", "balance": 100, "moves": 0})
    delta = deltas.make_delta(layout, (1).to_bytes(8, "little"), 1, before, after)
    assert delta
    assert bank.record(pack(MUTATE_ID, delta.encode())).status == APPLIED
    assert bank.page(1) == (2, {"owner": "ann", "balance": 100, "moves": 0})
    assert bank.record(pack(MUTATE_ID, delta.encode())).rejection == "conflict"
    assert bank.json("mmsb.Mutate", delta="00").rejection == "bad_delta"
    where = [["balance", "ge", 10], ["@epoch", "eq", 2]]
    upsert = {"page": "Account", "key": 1, "where": where, "set": {"owner": "bob"}, "add": {"balance": 5}}
    assert bank.json("mmsb.Upsert", **upsert).status == APPLIED
    assert bank.page(1) == (5, {"owner": "bob", "balance": 105, "moves": 0})
    out = bank.json("mmsb.Upsert", **upsert)
    assert out.row
    assert (out.rejection, out.row.ordinal, out.row.field) == ("condition", 1, 0)
    balance = layout.by_name["balance"]
    arguments = doors.pack_upsert(layout, (1,), [doors.Clause(balance, 5, 105)], [doors.Clause(balance, 2, -200)])
    assert bank.record(pack(UPSERT_ID, arguments)).rejection == "invariant"
    assert bank.record(pack(UPSERT_ID, arguments + bytes(8))).rejection == "bad_upsert"


def test_events():
    bank = funded()
    out = bank.json("Transfer", src=1, dst=2, amount=10)
    first, second = (
        json.loads(events.event_json(bank.machine.compiled, event))
        for event in events.encode_events(bank.machine.compiled, out, 0, LOG)
    )
    assert (first["@event"], first["@fields"], first["balance"]) == ("changed", ["balance", "moves"], 90)
    assert (second["@event"], second["@fields"], second["@ordinal"]) == ("created", ["owner", "balance", "moves"], 1)


def test_blocks_fold_to_the_machines_state():
    bank = Bank(window=4)
    fold = Fold()
    assert fold.feed(b"genesis", tlog.Genesis(LOG, 1, 0, 4, "bank").encode()) == ACCEPTED
    nonce = b"n" * 16
    claim = make_claim(bank.machine.compiled, bytes(16), nonce, 1, b"b" * 32)
    assert fold.feed(b"claim", claim) == ACCEPTED
    assert fold.feed(b"claim", claim) == DISCARDED
    clock = bank.machine.state.clock
    outcomes = [
        bank.json("Deposit", dst=1, amount=100, _id="a", _actor="ann"),
        bank.json("Deposit", dst=1, amount=100, _id="a"),
        bank.json("Send", src=1, dst=2, amount=7, _source="s", _number=4),
        bank.record(b"garbage", time=-1),
        bank.json("Transfer", src=1, dst=2, amount=10**9),
        bank.json("Close", src=1),
        bank.record(None, time=5000, control=True),
    ]
    block = make_block(nonce, fold.head, bank.records, outcomes, clock, bank.machine.state)
    assert len(decode_block(block).entries) == 7
    before = fold.head
    assert fold.feed(b"block", block) == ACCEPTED
    assert fold.state == bank.machine.state
    assert (fold.settled, fold.head_prev, fold.head) == (6, before, tlog.chain(before, b"block", block))
    assert fold.feed(b"block", block) == DISCARDED

    record = Record(7, 9000, b'{"@type": "Send", "@id": "q"}')
    quarantine = make_quarantine(nonce, fold.head, record, bank.machine)
    assert fold.feed(b"quarantine", quarantine) == DISCARDED
    again = b"m" * 16
    assert fold.feed(b"claim", make_claim(bank.machine.compiled, nonce, again, 1, b"b" * 32)) == ACCEPTED
    state = fold.state.copy()
    machine = Machine(BANK, log_id=LOG, window=4, state=state)
    assert fold.feed(None, make_quarantine(again, fold.head, record, machine)) == ACCEPTED
    assert fold.state == machine.state
    assert id_of_text("q") in fold.state.ids
    bad = bytearray(make_quarantine(again, fold.head, Record(8, 9000, b""), machine))
    bad[80] ^= 1
    assert fold.feed(None, bytes(bad)) == STOPPED
    assert fold.feed(None, b"") == STOPPED
