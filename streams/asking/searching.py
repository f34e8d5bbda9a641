"""Goes through what became of intents, block by block, and gives those that fit a filter.

Only blocks between the wanted offsets and times are read, and of these only what fits becomes objects.
"""

from collections.abc import Callable, Iterator

from mmsb.streams.asking.filters import Filter
from mmsb.streams.asking.matching import matching
from mmsb.streams.past.entries import Entry
from mmsb.streams.past.past import Found, Past

Tell = Callable[[int, int], None]
"""Told how many offsets were looked at, of how many."""


def search(
    past: Past, wanted: Filter, *, newest_first: bool = False, tell: Tell = lambda _, __: None
) -> Iterator[Entry]:
    """Entries of one partition that fit, in the order of their offsets, or against it."""
    positions = wanted.positions(past.outline.genesis)
    for place, block, outcomes in walk(past, wanted, newest_first=newest_first, tell=tell):
        rows: list[int] = matching(block, outcomes, place.clock, wanted, positions).tolist()
        for row in reversed(rows) if newest_first else rows:
            entry = past.outcome_at(block.header.first + row)
            assert entry is not None, "its block is there"
            yield entry


def walk(past: Past, wanted: Filter, *, newest_first: bool = False, tell: Tell = lambda _, __: None) -> Iterator[Found]:
    """The blocks that have one of the wanted offsets and times."""
    first, last = bounds(past, wanted)
    offset = last if newest_first else first
    while first <= offset <= last:
        found = past.block_at(offset)
        if found is None:  # trimmed, when going back
            return
        yield found
        header = found[1].header
        offset = header.first - 1 if newest_first else header.last + 1
        tell(last - offset if newest_first else offset - first, last - first + 1)


def bounds(past: Past, wanted: Filter) -> tuple[int, int]:
    """The first and the last offset that are worth a look: whole blocks, as far as times decide."""
    first, last = max(wanted.first, 0), min(wanted.last, past.outline.settled)
    if first <= last and past.block_at(first) is None:
        first = _search(past, first, last, lambda _: True)
    if wanted.since is not None:
        since = wanted.since
        first = _search(past, first, last, lambda found: found[1].header.clock >= since)
    if wanted.until is not None and first <= last:
        until = wanted.until
        found = past.block_at(_search(past, first, last, lambda found: found[1].header.clock >= until))
        last = last if found is None else min(last, found[1].header.last)
    return first, last


def first_there(past: Past) -> int:
    """The first offset that was not trimmed."""
    return bounds(past, Filter())[0]


def _search(past: Past, low: int, last: int, fits: Callable[[Found], bool]) -> int:
    """The first offset from `low` on in a block that fits, if all those after it fit; `last + 1` if none does.

    What was trimmed is older than all that is there, and fits never.
    """
    high = last + 1
    while low < high:
        middle = (low + high) // 2
        found = past.block_at(middle)
        if found is not None and fits(found):
            high = max(found[1].header.first, low)
        else:
            low = middle + 1 if found is None else found[1].header.last + 1
    return low
