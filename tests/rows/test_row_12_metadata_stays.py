"""Row 12: metadata is optional in each record of the TLog, stays there, and a newer record is refused by both names."""

import pytest

import mmsb
from examples.bank import Deposit, Transfer
from tests.rows.bank import rich


def test_the_same_intents_with_and_without_metadata_both_replay():
    bare, full = rich(), rich()
    about = mmsb.Metadata(actor="ann", reason="rent", trace="00-aa-bb-01")

    bare.applied(mmsb.pack(Transfer(1, 2, 30)), mmsb.pack(Deposit(1, 1)))
    full.applied(
        mmsb.pack(Transfer(1, 2, 30), actor="ann", reason="rent", trace="00-aa-bb-01"), mmsb.pack(Deposit(1, 1))
    )

    assert bare.replay().digest == full.replay().digest
    assert b"rent" not in bare.tlog[-1][1]
    assert about.pack() in full.tlog[-1][1]


def test_metadata_is_read_back_from_the_log_also_of_a_rejected_intent():
    log = rich()
    log.send(
        mmsb.pack(Transfer(1, 2, 30), actor="ann", reason="rent"),
        mmsb.pack(Deposit(1, 1)),
        mmsb.pack_json(Transfer(1, 2, 999), actor="bob"),
    )

    fold = mmsb.Fold(log.tlog[0][1])
    *_, verdict = [fold.read(at, key, value) for at, (key, value) in enumerate(log.tlog[1:], start=1)]

    assert verdict.block is not None
    assert [row.metadata for row in verdict.block.outcomes] == [
        mmsb.Metadata(actor="ann", reason="rent").pack(),
        b"",
        mmsb.Metadata(actor="bob").pack(),
    ]


def test_a_newer_record_is_refused_naming_both_versions():
    log = rich()
    fold = log.replay()
    key, value = log.tlog[-1]

    with pytest.raises(mmsb.NewerFormat, match=r"version 2: this release knows .*1"):
        mmsb.Fold(b"MMT\x02" + log.tlog[0][1][4:])
    with pytest.raises(mmsb.CorruptState, match="version 2"):
        fold.read(len(log.tlog), key, b"MMT\x02" + value[4:])
