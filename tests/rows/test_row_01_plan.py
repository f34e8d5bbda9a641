"""Row 1: an intent class with query, predicate, delta and metadata is the plan; a bad argument moves nothing."""

import pytest

import mmsb
from examples.bank import Account, Deposit, Transfer
from tests.rows.bank import rich


@pytest.mark.guards(4)
def test_a_plan_has_four_parts_and_leaves_the_state_alone():
    log = rich()
    before = log.digest

    plan = Transfer(1, 2, 10).plan(actor="ann", reason="rent")

    assert plan.query == (Account[1], Account[2])
    assert plan.predicate == "src.balance >= self.amount"
    assert plan.delta.splitlines()[0] == "src.balance -= self.amount"
    assert plan.metadata == mmsb.Metadata(actor="ann", reason="rent")
    assert [line.partition(":")[0] for line in repr(plan).splitlines() if not line.startswith(" ")] == [
        "query",
        "predicate",
        "delta",
        "metadata",
    ]
    assert log.digest == before == log.writer.fold.state.recompute_digest().pack()


def test_an_amount_of_zero_is_rejected_with_field_and_bound_and_no_epoch_moves():
    log = rich()

    for value in (mmsb.pack(Transfer(1, 2, 0)), mmsb.pack_json(Transfer(1, 2, 0))):
        rejection, words = log.rejection(value)

        assert (rejection.code, rejection.field, rejection.value, rejection.bound) == (mmsb.Code.BOUND, 3, 0, 0)
        assert words == "Transfer.amount must be > 0, found 0"

    log.applied(mmsb.pack(Deposit(1, 1)))
    assert (mmsb.epoch_of(log.read(Account[1])), mmsb.epoch_of(log.read(Account[2]))) == (7, 4)
