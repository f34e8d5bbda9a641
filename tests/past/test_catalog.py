"""The index follows a growing log, leaves out what does not count, and is made anew wherever its file is damaged."""

from contextlib import suppress
from functools import partial
from random import Random

import pytest

from mmsb.processors.writer import Entry
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.streams.folder import TLOG
from mmsb.streams.log.segments import list_bases
from mmsb.streams.past.growing import GrowingIndex
from mmsb.streams.past.index_file import StoredIndex, pages_path
from mmsb.streams.past.past import Past
from tests.past.folders import PARTITION, append, open_log, write_missing, write_partition
from tests.past.history import Happened, history_of
from tests.processors.tlogs import BOB, EVE, FIRST, GENESIS, THIRD, TO_WIDE, Node, Tlog, pay
from tests.proof.agreement import loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles

FOLDER = PARTITION / TLOG
MANY = 10**6


def happened(past: Past, page: tuple[int, bytes]) -> list[Happened]:
    return [(c.offset, c.kind, c.before, c.body) for c in past.history(page, MANY)]


def test_it_follows_a_log_that_grows_and_takes_over_files_that_appear() -> None:
    case, files, ends = make_case(5, 60), VirtualFiles(), [1]
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 1))
    write_partition(files, [], case.genesis.pack())
    log, past = open_log(files, FOLDER), Past(files, PARTITION, lambda: ends[-1])
    assert past.outcome_at(0) is None
    for end in range(1, len(entries) + 1):
        append(log, [(entries[end - 1].key, entries[end - 1].value)])
        if end % 9 == 0 or end == len(entries):
            ends.append(log.end)
            history, _ = history_of(case.genesis.pack(), entries[:end])
            for page in history.pages:
                assert happened(past, page) == history.of_page(page)
        if end % 20 == 0:
            write_missing(files, FOLDER, log.end)
    kinds = [type(part.index) for part in past._catalog.parts]
    assert len(kinds) > 5
    assert StoredIndex in kinds
    assert kinds[-1] is GrowingIndex


def test_nothing_is_read_that_may_not_be() -> None:
    case, files = make_case(5, 60), VirtualFiles()
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 1))
    write_partition(files, entries, case.genesis.pack())
    for end in (0, 1, 2, 10):
        past = Past(files, PARTITION, partial(int, end))
        assert len(list(past.entries(0, MANY))) == max(0, end - 2)
        history, _ = history_of(case.genesis.pack(), entries[: max(end - 1, 0)])
        for page in history.pages:
            assert happened(past, page) == history.of_page(page)
        assert past.history((1, bytes(8)), 5) == []
        assert past.blame((1, bytes(8)), None) is None


def test_records_that_do_not_count_never_show_up() -> None:
    """Two writers with one history: blocks and claims of the superseded one, doubled ones, and what is nobody's."""
    tlog = Tlog()
    bob = Node(tlog, BOB)
    bob.take()
    bob.settle(pay(1, 10), pay(2, 5))
    late = bob.step(pay(1, 1_000))[0]  # stepped, and appended only after another reigns
    doubled = tlog.records[-1]
    eve = Node(tlog, EVE)
    eve.take()
    tlog.append(late)
    tlog.records.append(doubled)
    tlog.records += [(None, b"hello"), (b"block", None), (b"genesis", GENESIS.pack())]
    eve.read()
    eve.settle(pay(1, 7))
    files = VirtualFiles()
    entries = [Entry(key, value) for key, value in tlog.records[1:]]  # type: ignore[arg-type]
    write_partition(files, [], GENESIS.pack())
    append(open_log(files, FOLDER), [(entry.key, entry.value) for entry in entries], Random(3))
    for stored in (False, True):
        if stored:
            write_missing(files, FOLDER, len(tlog.records))
        past = Past(files, PARTITION, lambda: len(tlog.records))
        layout = FIRST.pages_by_name["Till"]
        found = past.history((layout.type_id, layout.pack_key(1)), MANY)
        assert [(c.offset, layout.read(c.body, 0)) for c in found] == [(2, 17), (0, 10)]
        assert [entry.offset for entry in past.entries(0, MANY)] == [0, 1, 2]


def test_a_page_is_followed_through_the_migration_of_its_type() -> None:
    tlog = Tlog()
    bob = Node(tlog, BOB)
    bob.take()
    bob.settle(pay(1, 10))
    bob.settle(pay(1, 5))
    eve = Node(tlog, EVE, THIRD)
    eve.append(eve.writer.claim())
    eve.read()
    eve.append(eve.writer.migrate([TO_WIDE]))
    eve.read()
    eve.settle(pay(1, 7))
    eve.settle(pay(2, 1))
    files = VirtualFiles()
    write_partition(files, [], GENESIS.pack())
    append(open_log(files, FOLDER, 1), tlog.records[1:])
    old, new = FIRST.pages_by_name["Till"], THIRD.pages_by_name["Till"]
    for stored in (False, True):
        if stored:
            write_missing(files, FOLDER, len(tlog.records))
        past = Past(files, PARTITION, lambda: len(tlog.records))
        found = past.history((new.type_id, new.pack_key(1)), MANY)
        said = [(c.offset, (new if c.page_type == new.type_id else old).unpack(c.body)) for c in found]
        assert said == [(2, (2, 22, 99)), (1, (15, 2)), (0, (10, 1))]
        assert [c.generation for c in found] == [3, 1, 1]
        names = {"total": 2, "count": 1, "limit": 0}  # nobody altered `count` since, nor what was added: the creation
        for name, offset in names.items():
            blamed = past.blame((new.type_id, new.pack_key(1)), new.index_of[name])
            assert blamed is not None
            assert blamed.offset == offset
        assert [c.offset for c in past.history((new.type_id, new.pack_key(2)), MANY)] == [3]


def with_files() -> tuple[VirtualFiles, list[tuple[tuple[int, bytes], list[Happened]]], int]:
    case, files = make_case(5, 60), VirtualFiles()
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 1))
    write_partition(files, entries, case.genesis.pack())
    write_missing(files, FOLDER, len(entries) + 1)
    history, _ = history_of(case.genesis.pack(), entries)
    return files, [(page, history.of_page(page)) for page in sorted(history.pages)], len(entries) + 1


def test_whatever_is_wrong_with_an_index_file_the_past_is_the_same_and_nothing_is_written() -> None:
    files, expected, end = with_files()
    rng = Random(1)
    paths = [pages_path(FOLDER, base) for base in list_bases(files, FOLDER)[:-1]]
    contents = {path: files.content(path) for path in paths}
    files.fail(1, "write", "create", "sync", "replace", "remove", "truncate", for_ever=True)
    for _ in range(40):
        path = rng.choice(paths)
        wrong = bytearray(contents[path])
        wrong[rng.randrange(len(wrong))] ^= 1 << rng.randrange(8)
        files.damage(path, rng.choice([bytes(wrong), bytes(wrong[: rng.randrange(len(wrong))]), contents[paths[0]]]))
        past = Past(files, PARTITION, lambda: end)
        page, story = rng.choice(expected)
        assert happened(past, page) == story
        past.close()
        files.damage(path, contents[path])


def test_a_damaged_segment_stops_and_says_where() -> None:
    files, _, end = with_files()
    path = FOLDER / f"{0:020}.log"
    content = bytearray(files.content(path))
    content[len(content) - 9] ^= 4
    files.damage(path, bytes(content))
    past = Past(files, PARTITION, lambda: end)
    with pytest.raises(CorruptState, match=r"0{20}\.log at byte \d+: expected .*, found .*restore"):
        list(past.entries(0, MANY))


def test_an_index_is_there_as_a_whole_or_not_at_all() -> None:
    case = make_case(5, 60)
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 1))
    for seed in range(30):
        files = VirtualFiles(seed)
        write_partition(files, entries, case.genesis.pack())
        files.fail(Random(seed).randrange(1, 40), "write", "create", "sync", "replace", "sync_folder")
        with suppress(EnvironmentFailed):
            write_missing(files, FOLDER, len(entries) + 1)
        after = files.crash()
        for base in list_bases(after, FOLDER):
            path = pages_path(FOLDER, base)
            if after.exists(path):
                StoredIndex(after.open(path)).content()
