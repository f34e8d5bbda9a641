"""Folding from outside gives the writer's state; and what two folds differ in is what two dictionaries do."""

from random import Random

import pytest

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Fold
from mmsb.streams.past.differing import Difference, diff, rows_of, state_of
from mmsb.streams.past.folding import fold_partition, list_partitions
from tests.past.folders import PARTITION, write_partition
from tests.proof.agreement import fold_view, loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles


def folded(genesis: bytes, entries: list) -> ArrayFold:
    fold = ArrayFold(genesis)
    for entry in entries:
        fold.read(fold.next, entry.key, entry.value)
    return fold


@pytest.mark.parametrize("seed", range(6))
def test_a_partition_is_folded_without_its_owner_and_without_writing(seed: int) -> None:
    case, files, told = make_case(seed, 60), VirtualFiles(), []
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 7))
    write_partition(files, entries, case.genesis.pack(), rng=Random(seed))
    assert list_partitions(files, PARTITION.parent) == {0: PARTITION}
    files.fail(1, "write", "create", "sync", "truncate", "sync_folder", "replace", "remove", for_ever=True)
    fold = fold_partition(files, PARTITION, lambda done, total: told.append((done, total)))
    assert fold_view(fold) == fold_view(folded(case.genesis.pack(), entries))
    assert told[-1] == (len(entries) + 1, len(entries) + 1)


@pytest.mark.parametrize("seed", range(6))
def test_a_fold_to_an_offset_has_what_came_up_to_it_wherever_blocks_end(seed: int) -> None:
    """As if each block settled one intent, and the fold had stopped there."""
    case, files = make_case(seed, 60), VirtualFiles()
    with loaded(case.description) as bundle:
        single = list(entries_of(case, bundle, 1))
        write_partition(files, entries_of(case, bundle, 13), case.genesis.pack(), rng=Random(seed))
    claims = sum(entry.key != b"block" for entry in single)
    for to in range(len(single) - claims):
        fold, expected = fold_partition(files, PARTITION, to=to), ArrayFold(case.genesis.pack())
        for entry in single:
            if expected.settled < to:
                expected.read(expected.next, entry.key, entry.value)
        assert (fold.settled, fold.digest, fold.state.clock) == (to, expected.digest, expected.state.clock)
        assert pages(fold) == pages(expected)
        fold.state.check()


def test_a_fold_to_an_offset_that_has_not_settled_says_which_one_has() -> None:
    case, files = make_case(1, 60), VirtualFiles()
    with loaded(case.description) as bundle:
        write_partition(files, entries_of(case, bundle, 7), case.genesis.pack())
    settled = fold_partition(files, PARTITION).settled
    with pytest.raises(InvalidValue, match=f"expected an offset up to {settled}"):
        fold_partition(files, PARTITION, to=settled + 1)
    with pytest.raises(InvalidValue, match="expected an offset of 0 or more"):
        fold_partition(files, PARTITION, to=-1)


def test_what_is_no_data_folder_is_named() -> None:
    with pytest.raises(EnvironmentFailed, match="expected a data folder"):
        list_partitions(VirtualFiles(), PARTITION.parent)


def pages(fold: Fold) -> dict:
    return {page: (epoch, body) for page, epoch, body in fold.state.pages}


def check_difference(found: Difference, a: Fold, b: Fold) -> None:
    page = (found.layout.type_id, found.key)
    old, new = a.state.read_page(*page), b.state.read_page(*page)
    assert (found.epoch_a, found.epoch_b) == (old[0] if old else 0, new[0] if new else 0)
    for index, field in enumerate(found.layout.fields):
        was = found.layout.read(old[1], index) if old else None
        is_ = found.layout.read(new[1], index) if new else None
        said = [(each.a, each.b) for each in found.fields if each.name == field.name]
        assert said == ([] if was == is_ else [(was, is_)])


@pytest.mark.parametrize("seed", range(8))
def test_two_moments_of_a_log_differ_as_their_pages_do(seed: int) -> None:
    case, genesis = make_case(seed, 60), make_case(seed, 60).genesis.pack()
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 1))
    end = folded(genesis, entries)
    names = {layout.type_id: layout.name for layout in end.state.layouts.values()}
    for cut in (1, 2, len(entries) // 2, len(entries)):
        start = folded(genesis, entries[:cut])
        for a, b in ((start, end), (end, start)):
            found = list(diff(state_of(a), state_of(b)))
            mine, other = pages(a), pages(b)
            expected = {page for page in mine.keys() | other.keys() if mine.get(page) != other.get(page)}
            order = [(each.layout.name, each.key) for each in found]
            assert order == sorted(order)
            assert [(each.layout.type_id, each.key) for each in found] == sorted(
                expected, key=lambda page: (names[page[0]], page[1])
            )
            for each in found:
                check_difference(each, a, b)


def test_pages_that_were_read_one_by_one_are_the_state_that_they_come_from() -> None:
    case = make_case(3, 60)
    with loaded(case.description) as bundle:
        fold = folded(case.genesis.pack(), list(entries_of(case, bundle, 7)))
    read = {
        layout.name: rows_of(
            layout,
            [(key, epoch, body) for (type_id, key), epoch, body in fold.state.pages if type_id == layout.type_id],
        )
        for layout in fold.state.layouts.values()
    }
    assert sum(map(len, read.values())) == len(pages(fold)) > 0
    assert list(diff(state_of(fold), read)) == []
    assert len(list(diff({}, read))) == len(pages(fold))
