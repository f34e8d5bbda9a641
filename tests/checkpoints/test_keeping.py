"""Logs are trimmed behind the older of the two newest verified checkpoints, and no further."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.checkpoints.keeping import KEPT, surplus, trimmable
from mmsb.streams.checkpoints.manifest import Cause, Manifest
from mmsb.streams.log import NOTHING, Durable
from tests.checkpoints.rows import FACTS

EVERYTHING = Durable(10**9, 10**9)


def at(settled, block_first, accepted_at):
    facts = replace(FACTS, settled=settled, block_first=block_first, accepted_at=accepted_at, next=accepted_at + 1)
    return Manifest(facts, Cause("schedule"), 0, ())


NEWEST = [at(299, 290, 130), at(199, 180, 80), at(99, 90, 40)]


@pytest.mark.parametrize("newest", [[], NEWEST[:1]])
def test_nothing_is_trimmed_before_there_are_two(newest):
    assert trimmable(newest, EVERYTHING) == NOTHING


def test_the_older_of_the_two_newest_decides_and_keeps_what_it_is_known_by():
    assert trimmable(NEWEST, EVERYTHING) == Durable(180, 80)


def test_what_others_need_stays():
    assert trimmable(NEWEST, Durable(10**9, 7)) == Durable(180, 7)
    assert trimmable(NEWEST, Durable(3, 10**9)) == Durable(3, 80)


def test_newest_means_newest():
    with pytest.raises(AssertionError, match="newest first"):
        trimmable(NEWEST[::-1], EVERYTHING)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 50)), max_size=6), st.integers(0, 600), st.integers(0, 600)
)
def test_both_newest_checkpoints_keep_the_logs_behind_them(states, intents, tlog):
    newest = [at(settled, max(settled - back, 0), settled // 2) for settled, back in sorted(states, reverse=True)]
    bounds = trimmable(newest, Durable(intents, tlog))
    for manifest in newest[:2]:
        assert bounds.tlog <= manifest.facts.accepted_at
        assert bounds.intents <= manifest.facts.settled + 1
    assert bounds.tlog <= tlog
    assert bounds.intents <= intents


def test_the_newest_ones_are_no_surplus():
    assert surplus(NEWEST, 2) == [f"{100:020}-{40:020}"]
    assert surplus(NEWEST) == []
    assert KEPT == 3
    with pytest.raises(InvalidValue, match="expected 2 or more"):
        surplus(NEWEST, 1)
