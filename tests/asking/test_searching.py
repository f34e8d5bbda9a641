"""What a search finds, against looking at each entry; histories of random applications, in blocks of every size."""

import pytest

from mmsb.schemas.ids import position_id
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import Block, BlockHeader, OutcomeRow
from mmsb.streams.asking.filters import Filter
from mmsb.streams.asking.matching import entry_of, rows_with_entries
from mmsb.streams.asking.searching import bounds, search
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.entries import Entry
from mmsb.streams.past.outcomes import OutcomeColumns
from mmsb.streams.past.past import Past
from tests.past.test_past import opened, written


def block_of(about: list[Metadata]) -> BlockColumns:
    """A block of intents of which nothing is known but who asked."""
    header = BlockHeader(bytes(16), bytes(32), 0, len(about) - 1, 0, bytes(16), 0)
    return BlockColumns(
        Block(header, [OutcomeRow(Status.NOOP, metadata=each.pack()) for each in about], [], [], []).pack()
    )


def fits(past: Past, entry: Entry, wanted: Filter) -> bool:
    genesis = past.outline.genesis
    known = {entry.id, position_id(genesis.log_id, genesis.partition, entry.offset)} - {None}
    return bool(
        (wanted.types is None or entry.intent_type in wanted.types)
        and wanted.actor in (None, entry.metadata.actor)
        and (wanted.correlations is None or entry.metadata.correlation in wanted.correlations)
        and (wanted.ids is None or wanted.ids & known)
        and (wanted.statuses is None or entry.status in wanted.statuses)
        and wanted.first <= entry.offset <= wanted.last
        and (wanted.since is None or entry.time >= wanted.since)
        and (wanted.until is None or entry.time < wanted.until)
    )


def filters_for(past: Past, entries: list[Entry]) -> list[Filter]:
    """One for each thing that there is, and some that combine them."""
    types = {entry.intent_type for entry in entries} - {None}
    actors = {entry.metadata.actor for entry in entries} | {"nobody"}
    ids = {entry.id for entry in entries} - {None} | {position_id(past.outline.genesis.log_id, 0, 7), bytes(16)}
    correlations = {entry.metadata.correlation for entry in entries} | {bytes(16)}
    times = sorted({entry.time for entry in entries})
    middle = times[len(times) // 2]
    return [
        Filter(),
        *(Filter(types=frozenset({each})) for each in types if each is not None),
        *(Filter(actor=each) for each in actors),
        *(Filter(ids=frozenset({each})) for each in ids if each is not None),
        Filter(ids=frozenset(each for each in ids if each is not None)),
        *(Filter(correlations=frozenset({each})) for each in correlations if each is not None),
        *(Filter(statuses=frozenset({each})) for each in Status),
        *(Filter(actor=each, statuses=frozenset({Status.APPLIED, Status.REJECTED}), first=5) for each in actors),
        *(Filter(since=each) for each in (times[0], middle, middle + 1, times[-1], times[-1] + 1)),
        *(Filter(until=each) for each in (times[0], middle, middle + 1, times[-1], times[-1] + 1)),
        Filter(since=middle, until=times[-1], last=40),
        Filter(first=10, last=20),
        Filter(first=21, last=20),
        Filter(first=10**9),
    ]


@pytest.mark.parametrize("cut", [1, 7, 60])
@pytest.mark.parametrize("seed", range(8))
def test_a_search_finds_what_fits_and_nothing_else(seed, cut):
    _, files, _, end = written(seed, cut)
    past = opened(files, end)
    entries = list(past.entries(0, 10**6))
    assert entries

    for wanted in filters_for(past, entries):
        expected = [entry for entry in entries if fits(past, entry, wanted)]
        assert list(search(past, wanted)) == expected, wanted
        assert list(search(past, wanted, newest_first=True)) == expected[::-1], wanted
    past.close()


def test_times_leave_out_whole_blocks():
    _, files, _, end = written(3, 7)
    past = opened(files, end)
    times = [entry.time for entry in past.entries(0, 10**6)]
    first, last = bounds(past, Filter(since=times[-1], until=times[-1] + 1))
    past.close()

    assert 0 < first <= times.index(times[-1])
    assert last == len(times) - 1


def test_an_id_that_looks_like_an_entry_is_none():
    """An id may hold the very bytes with which another row's actor is encoded; no text can, since they have a NUL."""
    wanted = entry_of(Metadata(actor="bob!"))
    disguise = Metadata(causation=b"1234" + wanted + b"5678")
    about = [
        Metadata(actor="eve", reason="x"),
        disguise,
        Metadata(actor="bob!"),
        Metadata(actor="bob!", reason="y" * 9),
    ]
    block = block_of(about)
    [*rows] = rows_with_entries(block, OutcomeColumns(block), [wanted]).tolist()

    assert wanted in disguise.pack()
    assert disguise.pack().index(wanted) % 8 == 0
    assert rows == [2, 3]


def test_several_entries_are_looked_for_at_once():
    ids = [bytes([number]) * 16 for number in range(40)]
    about = [Metadata(causation=id, actor="a" * (number % 9 + 1)) for number, id in enumerate(ids)]
    block = block_of(about)
    wanted = [entry_of(Metadata(causation=id)) for id in ids[3:30:2]]

    assert rows_with_entries(block, OutcomeColumns(block), wanted).tolist() == list(range(3, 30, 2))
