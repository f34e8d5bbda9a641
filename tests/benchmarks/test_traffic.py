"""The measured traffic is what mmsb itself would have written, and settles as it says it will."""

from collections import Counter

import numpy as np
import pytest

import mmsb
from bench.bank import Account, Deposit, Open, Transfer, app
from bench.batching import batch, times
from bench.plain import Bank, parsed, values_of
from bench.ragged import Column, decimals, join, labels, varints
from bench.traffic import ACTOR, BATCH, FUNDS, TRANSFER, traffic
from mmsb.schemas.classes import layout_of
from mmsb.schemas.varints import encode_varint

SMALL = traffic(intents=1_500, accounts=40, seed=7)
EDGES = np.array([0, 1, 9, 10, 63, 64, 99, 100, 8191, 8192, 10**12, 2**62])


def rows(column: Column) -> list[bytes]:
    return [bytes(cell[:size]) for cell, size in zip(column.cells, column.sizes, strict=True)]


def intents(*, with_ids: bool) -> list[bytes]:
    """The same traffic from mmsb's own encoders, record by record."""
    made = []
    columns = (SMALL.kinds, SMALL.left, SMALL.right, SMALL.amounts, SMALL.ids)
    for kind, left, right, amount, identity in zip(*columns, strict=True):
        of_left = Transfer(int(left), int(right), 1) if kind == TRANSFER else Deposit(int(left), 1)
        object.__setattr__(of_left, "amount", int(amount))  # 0 is what mmsb would refuse to make
        object.__setattr__(of_left, "_body", _packed(of_left))
        made.append(mmsb.pack(of_left, id=identity.tobytes()) if with_ids else mmsb.pack_json(of_left))
    return made


def _packed(intent: mmsb.Intent) -> bytes:
    layout = layout_of(type(intent))
    body: bytes = layout.pack([getattr(intent, name) for name in layout.index_of])
    return body


def encoded(first: int, values: list[bytes]) -> list[bytes]:
    written = times(first, len(values))
    records = [mmsb.Record(None, value, int(time)) for value, time in zip(values, written, strict=True)]
    return [mmsb.encode_batch(first + at, records[at : at + BATCH]) for at in range(0, len(records), BATCH)]


def test_varints_and_decimals_are_those_of_the_encoders():
    assert rows(varints(EDGES)) == [encode_varint(int(value)) for value in EDGES]
    assert rows(varints(-EDGES)) == [encode_varint(-int(value)) for value in EDGES]
    assert rows(decimals(EDGES)) == [b"%d" % value for value in EDGES]


def test_joined_columns_have_no_gaps():
    kinds = np.array([0, 1, 0])
    joined = join([labels(kinds, [b"<", b"<<<"]), decimals(np.array([7, 123, 0])), labels(kinds, [b">", b""])])

    assert rows(joined) == [b"<7>", b"<<<123", b"<0>"]
    assert rows(joined.only(kinds == 1)) == [b"", b"<<<123", b""]


def test_packed_batches_are_those_of_mmsb():
    assert list(SMALL.packed()) == encoded(SMALL.first, intents(with_ids=True))


def test_json_batches_are_those_of_mmsb():
    assert list(SMALL.json()) == encoded(SMALL.first, intents(with_ids=False))


def test_members_of_the_envelope_are_written_where_mmsb_writes_them():
    [made] = list(traffic(intents=1, accounts=1).json(ACTOR))
    expected = mmsb.pack_json(Transfer(0, 0, 5), actor="teller-0042", reason="standing order of the month")

    [value] = values_of(made)
    assert value.partition(b'"src"')[0] == expected.partition(b'"src"')[0]


def test_the_opening_is_that_of_mmsb():
    every = range(SMALL.accounts)
    opens = encoded(0, [mmsb.pack(Open(n, f"owner {n}")) for n in every])
    funds = encoded(SMALL.accounts, [mmsb.pack(Deposit(n, FUNDS)) for n in every])

    assert SMALL.opening == [*opens, *funds]


def test_a_large_batch_is_cut_at_its_size():
    large = traffic(intents=BATCH + 1, accounts=10)

    assert [len(values_of(made)) for made in large.packed()] == [BATCH, 1]
    assert [records.first for made in large.packed() for records in mmsb.decode_batches(made)] == [20, 20 + BATCH]


def test_the_mixture_is_what_the_settings_say():
    drawn = traffic(intents=100_000, accounts=1_000)

    assert drawn.repeated.mean() == pytest.approx(0.01, abs=0.002)
    assert drawn.rejected.mean() == pytest.approx(0.10, abs=0.01)
    assert (drawn.kinds == TRANSFER).mean() == pytest.approx(0.80, abs=0.01)
    assert len(np.unique(drawn.ids, axis=0)) == len(drawn) - drawn.repeated.sum()


def test_the_same_seed_gives_the_same_bytes():
    assert list(traffic(500, 10, seed=3).packed()) == list(traffic(500, 10, seed=3).packed())
    assert list(traffic(500, 10, seed=3).packed()) != list(traffic(500, 10, seed=4).packed())


def settled(batches: list[bytes]) -> tuple[Counter, dict[int, tuple[int, int]]]:
    """What the interpreted machine makes of it: outcomes by status, and every account's balance and moves."""
    genesis = mmsb.Genesis(log_id=bytes(range(16)), app="bank").pack()
    writer = mmsb.Writer(app.bundle(), mmsb.Fold(genesis), b"a-reign's-name-1")
    claim = writer.claim()
    writer.read(1, claim.key, claim.value)
    statuses: Counter = Counter()
    for made in (*SMALL.opening, *batches):
        for records in mmsb.decode_batches(made):
            _, outcome = writer.step(records)
            assert outcome.last == records.last, "a batch of these fits into a block"
            statuses.update(row.status for row in outcome.outcomes if records.first >= SMALL.first)
    pages = [writer.machine.read(mmsb.Query(Account[n])) for n in range(SMALL.accounts)]
    return statuses, {n: (page.balance, page.moves) for n, page in enumerate(pages)}


@pytest.mark.parametrize("form", ["parsed", "packed", "json"])
def test_the_machine_and_the_plain_dicts_settle_it_alike(form):
    batches = list(SMALL.json() if form == "json" else SMALL.packed())
    bank = Bank(SMALL.accounts)
    if form == "parsed":
        bank.settle_parsed(parsed(SMALL))
    else:
        bank.settle_batches(batches, bank.settle_json if form == "json" else bank.settle_packed)

    statuses, accounts = settled(batches)

    assert bank.applied == statuses[mmsb.Status.APPLIED] > 1_000
    assert bank.rejected == statuses[mmsb.Status.REJECTED] > 50
    assert bank.repeated == statuses[mmsb.Status.DUPLICATE] == (0 if form == "json" else SMALL.repeated.sum())
    assert {n: (account["balance"], account["moves"]) for n, account in bank.accounts.items()} == accounts


def test_plain_dicts_find_a_damaged_batch():
    made = bytearray(batch(0, labels(np.zeros(3, np.int64), [b"abc"])))
    made[-2] ^= 1

    with pytest.raises(AssertionError, match="whole"):
        values_of(bytes(made))
