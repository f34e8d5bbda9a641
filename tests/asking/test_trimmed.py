"""Logs that lost their begin: what is left is found and told as ever, and nothing is made up for the rest."""

import pytest

from mmsb.streams.asking.causes import Chains
from mmsb.streams.asking.filters import Filter
from mmsb.streams.asking.searching import first_there, search
from mmsb.streams.past.past import Past
from tests.past.test_moments import INTENTS, Written, trim


def trimmed(seed: int, indexed: bool) -> tuple[Past, int, list]:
    """A past, the first offset that is known, and what was to be told before it was trimmed."""
    written = Written(seed, 1, indexed)
    whole = written.past()
    entries = list(whole.entries(0, INTENTS))
    whole.close()
    bases = written.bases(10, 45, 52)
    trim(written, 45)
    return written.past(bases), bases.all[1].settled + 1, entries


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_left_is_found_and_nothing_else(seed: int, indexed: bool) -> None:
    past, first, entries = trimmed(seed, indexed)
    left = [entry for entry in entries if entry.offset >= first]
    assert 0 < len(left) < len(entries)

    assert first_there(past) == first
    assert list(search(past, Filter())) == left
    assert list(search(past, Filter(), newest_first=True)) == left[::-1]
    for time in {entry.time for entry in entries}:
        assert list(search(past, Filter(since=time))) == [entry for entry in left if entry.time >= time]
        assert list(search(past, Filter(until=time))) == [entry for entry in left if entry.time < time]
    for offset in range(first):
        assert past.outcome_at(offset) is None
    past.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_cause_that_was_trimmed_is_said_to_be(seed: int) -> None:
    past, first, entries = trimmed(seed, True)
    chains = Chains([past])
    for entry in entries[first:]:
        told = chains.causes(entry)
        if entry.metadata.causation is not None and not told.entries and told.begins is not None:
            assert f"partition 0 below offset {first}" in told.begins.words
    past.close()
