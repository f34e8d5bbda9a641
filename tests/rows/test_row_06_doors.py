"""Row 6: three doors. A query cannot write, a mutation knows what it changes, an upsert says which condition failed."""

import pytest

import mmsb
from examples.bank import Account, Deposit
from tests.rows.bank import rich


@pytest.mark.guards(2)
def test_assigning_to_what_a_query_read_raises_and_leaves_no_record():
    log = rich()
    length, digest = len(log.tlog), log.digest
    account = log.read(Account[1])

    with pytest.raises(mmsb.ReadOnly, match="state changes only through intents"):
        account.balance = 1_000_000
    with pytest.raises(mmsb.ReadOnly):
        del account.balance

    assert (len(log.tlog), log.digest) == (length, digest)
    assert log.read(Account[1]) == account
    assert log.read(Account[1]).balance == 100


def test_a_mutation_with_a_stale_base_is_a_conflict():
    log = rich()
    [row] = log.applied(mmsb.pack(Deposit(1, 1))).deltas
    same = mmsb.Delta(row.type_id, row.key, row.base, mmsb.DeltaKind(row.kind), row.payload)

    rejection, words = log.rejection(mmsb.pack(mmsb.Mutate(same)))
    assert (rejection.code, rejection.value, rejection.bound) == (mmsb.Code.CONFLICT, 5, 3)
    assert words == "the page of Account is at epoch 5, not at the delta's base 3; read it and try again"

    fresh = mmsb.Delta(row.type_id, row.key, 0, mmsb.DeltaKind.SPANS, bytes(8))
    assert log.rejection(mmsb.pack(mmsb.Mutate(fresh)))[0].code is mmsb.Code.CONFLICT


def test_an_upsert_whose_condition_is_false_quotes_it():
    log = rich()

    asks = mmsb.Upsert(Account[1], where=[("moves", ">=", 1), ("balance", ">=", 500)], set={"owner": "rich"})
    rejection, words = log.rejection(mmsb.pack(asks))
    assert rejection.code is mmsb.Code.CONDITION
    assert words == "condition 1, Account.balance >= 500, is false: found 100"

    asks = mmsb.Upsert(Account[1], where=[("@epoch", "==", 2)], set={"owner": "rich"})
    assert log.rejection(mmsb.pack(asks))[1] == "condition 0, Account's epoch == 2, is false: found 3"


def test_each_door_does_what_it_is_for():
    log = rich()
    account = log.read(Account[1])

    asks = mmsb.Upsert(
        Account[1], where=[("@epoch", "==", mmsb.epoch_of(account))], set={"owner": "eve"}, add={"moves": 2}
    )
    log.applied(mmsb.pack(asks))

    after = log.read(Account[1])
    assert (after.owner, after.balance, after.moves) == ("eve", 100, account.moves + 2)
    assert log.replay().digest.pack() == log.digest
