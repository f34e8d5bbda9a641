"""The past of pages of random applications, against a plain model that keeps every state there ever was."""

from random import Random

import pytest

from mmsb.schemas.events import EventKind, field_mask
from mmsb.streams.folder import TLOG
from mmsb.streams.past.outcomes import read_metadata
from mmsb.streams.past.past import Past
from tests.past.folders import PARTITION, write_missing, write_partition
from tests.past.history import History, history_of
from tests.proof.agreement import Case, loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles

MANY = 10**6


def written(seed: int, cut: int) -> tuple[Case, VirtualFiles, History, int]:
    """A seed's application on a disk, in blocks of `cut`, and what happened; the end of its TLog."""
    case = make_case(seed, 60)
    files = VirtualFiles()
    with loaded(case.description) as bundle:
        single = list(entries_of(case, bundle, 1))
        entries = list(entries_of(case, bundle, cut))
    history, _ = history_of(case.genesis.pack(), single)
    write_partition(files, entries, case.genesis.pack(), rng=Random(seed))
    return case, files, history, 1 + len(entries)


def opened(files: VirtualFiles, end: int) -> Past:
    return Past(files, PARTITION, lambda: end)


def check_pages(past: Past, history: History, where: str) -> None:
    for page in sorted(history.pages):
        layout = past._catalog.outline.layouts[page[0]]
        expected = history.of_page(page)
        found = past.history(page, MANY)
        assert [(c.offset, c.kind, c.before, c.body) for c in found] == expected, (where, page)
        for change, older in zip(found, [*found[1:], None], strict=True):
            assert change.epoch == (0 if change.kind == EventKind.DELETED else change.offset + 1)
            assert change.time == history.clocks[change.offset]
            before = older.body if older and older.body else None
            assert change.mask == field_mask(layout, before, change.body or None)
            outcome = history.outcomes[change.offset]
            assert (change.intent_type, change.id, change.source) == (outcome.type_id, outcome.id, outcome.source)
            assert change.metadata == read_metadata(outcome.metadata)
        for limit in (1, 2, 5):
            assert past.history(page, limit) == found[:limit]
            middle = found[len(found) // 2].offset
            older_ones = [change for change in found if change.offset < middle]
            assert past.history(page, limit, before=middle) == older_ones[:limit]
        for index in range(len(layout.fields)):
            change_ = past.blame(page, index)
            assert (change_.offset if change_ else None) == history.blame(page, layout, index), (where, page, index)
        created = past.blame(page, None)
        last = next((c for c in found if c.kind == EventKind.CREATED), None)
        assert created == (last if page in history.states[-1] else None)


def check_offsets(past: Past, history: History) -> None:
    count = len(history.outcomes)
    entries = list(past.entries(0, MANY))
    assert [entry.offset for entry in entries] == list(range(count))
    for entry in entries:
        outcome, offset = history.outcomes[entry.offset], entry.offset
        assert (entry.status, entry.intent_type, entry.id) == (outcome.status, outcome.type_id, outcome.id)
        assert (entry.rejection, entry.first_offset) == (outcome.rejection, outcome.first_offset)
        assert (entry.source, entry.time) == (outcome.source, history.clocks[offset])
        changed = sorted((c.page, c.kind, c.before) for c in entry.pages)
        assert changed == [(page, kind, before) for page, (_, kind, before, _) in history.at(offset)]
        assert (past.explain(entry) is None) == (entry.rejection is None)
    order = Random(1).sample(range(count), min(count, 20))
    for offset in order:
        assert past.outcome_at(offset) == entries[offset]
    assert past.outcome_at(count) is None
    assert past.outcome_at(-1) is None


@pytest.mark.parametrize("cut", [1, 7, 60])
@pytest.mark.parametrize("start", range(0, 12, 3))
def test_the_past_is_what_happened(start: int, cut: int) -> None:
    for seed in range(start, start + 3):
        _, files, history, end = written(seed, cut)
        past = opened(files, end)
        check_offsets(past, history)
        check_pages(past, history, f"seed {seed}, cut {cut}")
        past.close()


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_same_from_index_files(seed: int) -> None:
    _, files, history, end = written(seed, 7)
    before = files.names(PARTITION / TLOG)
    write_missing(files, PARTITION / TLOG, end)
    after = files.names(PARTITION / TLOG)
    sealed = [name for name in before if name.endswith(".log")][:-1]
    assert sealed
    assert sorted(set(after) - set(before)) == [name.replace(".log", ".pages") for name in sealed]
    past = opened(files, end)
    check_offsets(past, history)
    check_pages(past, history, f"seed {seed}")
    past.close()
