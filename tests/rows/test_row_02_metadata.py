"""Row 2: metadata is the same in packed and JSON intents, and versioned."""

from typing import Any

import pytest

import mmsb
from examples.bank import Deposit, Open, Transfer
from tests.rows.bank import Log, rich

ABOUT: dict[str, Any] = {"actor": "alice", "reason": "rent", "correlation": "case-4", "causation": "order-16"}


def test_packed_and_json_on_two_fresh_stores_give_byte_equal_deltas():
    intents = [Open(1, "ann"), Open(2, "bob"), Deposit(1, 100), Transfer(1, 2, 30), Transfer(1, 2, 1000)]
    packed, text = Log(), Log()

    one = packed.send(*(mmsb.pack(intent, id=f"i{n}", **ABOUT) for n, intent in enumerate(intents)))
    other = text.send(*(mmsb.pack_json(intent, id=f"i{n}", **ABOUT) for n, intent in enumerate(intents)))

    assert [delta.payload for delta in one.deltas] == [delta.payload for delta in other.deltas] != []
    assert (one.outcomes, one.deltas, one.digest) == (other.outcomes, other.deltas, other.digest)


def test_an_unknown_metadata_version_is_refused_by_name():
    log = rich()
    block = mmsb.Metadata(actor="alice").pack()
    packed = mmsb.pack(Transfer(1, 2, 30), actor="alice")
    assert packed.endswith(block)
    newer = packed.removesuffix(block) + b"\x02\x00" + block[2:]
    text = b'{"@type": "Transfer", "@version": 2, "src": 1, "dst": 2, "amount": 30}'

    for value in (newer, text):
        rejection, words = log.rejection(value)

        assert (rejection.code, rejection.value) == (mmsb.Code.METADATA_VERSION, 2)
        assert words == "metadata of version 2 is not known here"


@pytest.mark.parametrize("write", [mmsb.pack, mmsb.pack_json])
def test_the_same_id_counts_once_whatever_its_form(write):
    log = rich()

    log.applied(mmsb.pack(Deposit(1, 5), id="salary"))
    [again] = log.send(write(Deposit(1, 5), id="salary")).outcomes

    assert (again.status, again.first_offset) == (mmsb.Status.DUPLICATE, 4)
