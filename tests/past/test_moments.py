"""Pages at any moment are what a replay has that stops there, from the genesis or a base; blame agrees with both."""

from contextlib import suppress
from functools import partial
from random import Random

import pytest

from mmsb.processors.writer import Entry
from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.schemas.events import EventKind
from mmsb.streams.folder import TLOG
from mmsb.streams.log.segments import list_bases, log_path
from mmsb.streams.past.index_file import pages_path
from mmsb.streams.past.past import Past
from tests.past.folders import PARTITION, append, open_log, write_missing, write_partition
from tests.past.history import History, history_of
from tests.past.moments import MemoryBases
from tests.past.test_past import check_pages
from tests.processors.tlogs import BOB, EVE, FIRST, GENESIS, THIRD, TO_WIDE, Node, Tlog, pay
from tests.proof.agreement import Case, loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles

FOLDER = PARTITION / TLOG
INTENTS = 60
MANY = 10**6


class Written:
    """A seed's application on a disk, in blocks of `cut`, and what happened."""

    def __init__(self, seed: int, cut: int, indexed: bool = True) -> None:
        self.case: Case = make_case(seed, INTENTS)
        self.files = VirtualFiles()
        with loaded(self.case.description) as bundle:
            single = list(entries_of(self.case, bundle, 1))
            self.entries: list[Entry] = list(entries_of(self.case, bundle, cut))
        self.genesis = self.case.genesis.pack()
        self.history: History = history_of(self.genesis, single)[0]
        write_partition(self.files, self.entries, self.genesis, rng=Random(seed))
        self.end = 1 + len(self.entries)
        if indexed:
            write_missing(self.files, FOLDER, self.end)

    def bases(self, *ends: int) -> MemoryBases:
        return MemoryBases(self.genesis, self.entries, ends)

    def past(self, bases: MemoryBases | None = None) -> Past:
        return Past(self.files, PARTITION, lambda: self.end, bases)

    @property
    def types(self) -> list[int]:
        return sorted({type_id for type_id, _ in self.history.pages})


def check_moment(past: Past, history: History, types: list[int], at: int) -> None:
    then = history.states[at + 1]
    pages = sorted(history.pages)
    assert past.get_many(pages, at) == [then.get(page) for page in pages]
    for type_id in types:
        moment = past.moment(type_id, at)
        copied = moment.pages(past.bases) if moment else None
        found = copied.pages(0, MANY) if copied else []
        assert {(type_id, key): (epoch, body) for key, epoch, body in found} == {
            page: what for page, what in then.items() if page[0] == type_id
        }


def check_blame(past: Past, history: History, rng: Random) -> None:
    """Row 18: one intent earlier the field was another, or there was no page."""
    page = rng.choice(sorted(history.pages))
    if page not in history.states[-1]:
        return
    layout = past.outline.layouts[page[0]]
    index = rng.randrange(len(layout.fields))
    blamed = past.blame(page, index)
    assert blamed is not None
    before, after = past.get(page, blamed.offset - 1), past.get(page, blamed.offset)
    assert after is not None
    assert before is None or layout.read(before[1], index) != layout.read(after[1], index)
    now = past.get(page, len(history.outcomes) - 1)
    assert now is not None
    assert layout.read(now[1], index) == layout.read(after[1], index)


@pytest.mark.parametrize("cut", [1, 7, 60])
@pytest.mark.parametrize("seed", range(4))
def test_any_moment_is_what_a_replay_has_that_stops_there(seed: int, cut: int) -> None:
    written, rng = Written(seed, cut, indexed=seed % 2 == 0), Random(seed)
    ends = rng.sample(range(2, len(written.entries) + 1), min(2, len(written.entries) - 1))
    for bases in (None, written.bases(*ends)):
        past = written.past(bases)
        for at in [-1, 0, INTENTS - 1, *(rng.randrange(INTENTS) for _ in range(9))]:
            check_moment(past, written.history, written.types, at)
        for _ in range(10):
            check_blame(past, written.history, rng)
        past.close()


@pytest.mark.parametrize("seed", range(4, 8))
def test_the_past_is_the_same_with_bases_anywhere(seed: int) -> None:
    written, rng = Written(seed, 3), Random(seed)
    for count in (1, 3):
        past = written.past(written.bases(*rng.sample(range(2, len(written.entries)), count)))
        assert past.outline.settled == INTENTS - 1
        check_pages(past, written.history, f"seed {seed}")
        past.close()


def test_nobody_walks_below_a_base() -> None:
    """What lies before it may be damaged, and nobody notices."""
    written = Written(5, 1)
    middle = 40
    bases = written.bases(middle)
    settled = bases.all[0].settled
    past = written.past()
    young = [
        page
        for page in sorted(written.history.pages)
        if (found := past.history(page, 1)) and found[0].offset > settled and found[0].kind == EventKind.CHANGED
    ]
    past.close()
    assert young
    expected = {page: written.past().history(page, 1) for page in young}
    for base in list_bases(written.files, FOLDER):
        if base and base < middle - 20:
            path = log_path(FOLDER, base)
            written.files.damage(path, bytes(len(written.files.content(path))))
    past = written.past(bases)
    for page in young:
        assert past.history(page, 1) == expected[page]
        assert past.get(page, INTENTS - 1) == (expected[page][0].epoch, expected[page][0].body)
        assert bases.all[0].asked.pop() == page


def trim(written: Written, end: int) -> int:
    """Remove the segments that a base after some records makes superfluous; gives where the log begins now."""
    bases = list_bases(written.files, FOLDER)
    first = max(base for base in bases if base <= end)
    for base in bases:
        if base < first:
            for path in (log_path(FOLDER, base), pages_path(FOLDER, base)):
                if written.files.exists(path):
                    written.files.remove(path)
    return first


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_lost_its_begin_is_known_from_a_base_on_and_says_so(seed: int, indexed: bool) -> None:
    written = Written(seed, 1, indexed)
    bases = written.bases(10, 45, 52)
    assert trim(written, 45) > 10
    past, floor, history = written.past(bases), bases.all[1].settled, written.history
    for at in range(floor, INTENTS):
        check_moment(past, history, written.types, at)
    for at in (-1, floor - 1):
        with pytest.raises(InvalidValue, match=f"at: expected an intent offset from {floor} to {INTENTS - 1}, found"):
            past.get(next(iter(history.pages)), at)
    for page in sorted(history.pages):
        story = [happened for happened in history.of_page(page) if happened[0] > floor]
        found = past.history(page, MANY)
        assert [(c.offset, c.kind, c.before, c.body) for c in found] == story
        assert found.trimmed == floor + 1
        if story:
            assert past.history(page, len(story)).trimmed is None
        check_trimmed_blame(past, history, page, floor)
    past.close()


def check_trimmed_blame(past: Past, history: History, page: tuple[int, bytes], floor: int) -> None:
    layout = past.outline.layouts[page[0]]
    for index in range(len(layout.fields)):
        expected = history.blame(page, layout, index)
        if expected is None or expected > floor:
            found = past.blame(page, index)
            assert (found.offset if found else None) == expected
        else:
            with pytest.raises(InvalidValue, match=f"before intent offset {floor + 1}, and that was trimmed"):
                past.blame(page, index)


def test_a_log_without_begin_and_base_is_named() -> None:
    written = Written(1, 1)
    trim(written, 45)
    with pytest.raises(CorruptState, match=r"expected a log from TLog offset 0 on, or a checkpoint"):
        written.past().get((1, bytes(8)), 3)
    with pytest.raises(CorruptState, match=r"expected a log from TLog offset 0 on, or a checkpoint"):
        written.past(written.bases(10)).get((1, bytes(8)), 3)


def test_a_log_may_be_trimmed_while_it_is_read_and_grows() -> None:
    written = Written(2, 1)
    ends, bases = [30], written.bases(25, 45)
    past = Past(written.files, PARTITION, lambda: ends[-1], bases)
    page = sorted(written.history.pages)[0]
    past.history(page, MANY)
    assert past.get(page, 3) == written.history.states[4].get(page)
    trim(written, 45)
    ends.append(written.end)
    floor = bases.all[1].settled
    assert past.history(page, MANY).trimmed == floor + 1
    for at in range(floor, INTENTS):
        assert past.get(page, at) == written.history.states[at + 1].get(page)
    with pytest.raises(InvalidValue, match=f"what is older than {floor} was trimmed"):
        past.get(page, 3)


def test_what_is_known_of_a_log_leads_on_when_it_is_trimmed_behind_it() -> None:
    """The oldest base that is left may stand further on, in a later segment or in the same one."""
    written = Written(2, 1)
    page, bases = sorted(written.history.pages)[0], written.bases(45)
    for known in range(8, 44):
        written.files = VirtualFiles()
        write_partition(written.files, written.entries, written.genesis)
        write_missing(written.files, FOLDER, written.end)
        ends = [known]
        past = Past(written.files, PARTITION, partial(max, ends), bases)
        past.history(page, MANY)
        trim(written, known)
        ends.append(written.end)
        assert past.history(page, MANY) == written.past(bases).history(page, MANY)
        for at in range(bases.all[0].settled, INTENTS):
            assert past.get(page, at) == written.history.states[at + 1].get(page)


def test_pages_of_before_a_migration_are_told_in_the_fields_of_today() -> None:
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
    files = VirtualFiles()
    write_partition(files, [], GENESIS.pack())
    append(open_log(files, FOLDER, 1), tlog.records[1:])
    old, new = FIRST.pages_by_name["Till"], THIRD.pages_by_name["Till"]
    page = new.type_id, new.pack_key(1)
    entries = [Entry(key or b"", value or b"") for key, value in tlog.records[1:]]
    for bases in (None, MemoryBases(GENESIS.pack(), entries, [2])):
        past = Past(files, PARTITION, lambda: len(tlog.records), bases)
        said = [
            None if found is None else (found[0], new.unpack(found[1]))
            for found in map(past.get, [page] * 4, range(-1, 3))
        ]
        assert said == [None, (1, (1, 10, 99)), (2, (2, 15, 99)), (3, (2, 22, 99))]
        for at in range(3):
            moment = past.moment(new.type_id, at)
            assert moment is not None
            pages = moment.pages(past.bases)
            assert pages is not None
            assert pages.pages(0, MANY) == [(page[1], *(past.get(page, at) or ()))]
        assert past.get((old.type_id, page[1]), 0) is not None


def test_a_flipped_bit_is_named_or_changes_no_answer() -> None:
    """Deltas are read without their blocks' checksums, and are known again all the same."""
    written, rng, found = Written(6, 7), Random(6), 0
    bases = [base for base in list_bases(written.files, FOLDER) if written.files.exists(pages_path(FOLDER, base))]
    pages = sorted(written.history.pages)
    expected = {page: written.past().history(page, MANY) for page in pages}
    for _ in range(150):
        path = log_path(FOLDER, rng.choice(bases))
        content = written.files.content(path)
        wrong = bytearray(content)
        wrong[rng.randrange(len(wrong))] ^= 1 << rng.randrange(8)
        written.files.damage(path, bytes(wrong))
        page = rng.choice(pages)
        past = written.past()
        with suppress(CorruptState):
            found += 1
            assert past.history(page, MANY) == expected[page]
            assert past.get(page, 30) == written.history.states[31].get(page)
            found -= 1
        past.close()
        written.files.damage(path, content)
    assert found > 10
