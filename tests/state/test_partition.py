"""One partition's state: every effect keeps the digest, and can be taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.digest import Digest, clock_term, id_term, mark_term, page_term, sent_term
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.state.pages import MemoryPages
from mmsb.state.partition import PartitionState
from tests.state.logs import ACCOUNT, BADGE, GENESIS, KEY, WIDER, body

ID, OTHER_ID = b"i" * 16, b"j" * 16
SHOP = b"s" * 16


def new() -> PartitionState:
    state = PartitionState(GENESIS)
    state.add_layout(ACCOUNT)
    return state


def outside(number: int) -> Source:
    return Source(OUTSIDE, SHOP, number, 0)


def test_a_new_partition_is_empty_and_has_digest_zero():
    state = new()
    assert (state.digest, state.clock, state.page_count, state.source_count) == (Digest(0, 0), 0, 0, 0)
    state.check()


def test_each_effect_adds_its_term():
    state = new()
    state.advance_clock(5_000)
    state.settle(3, Status.APPLIED, ID, outside(7))
    state.write_page(ACCOUNT.type_id, KEY, 4, body("ann", 9))
    state.count_follow_up(2)
    state.count_follow_up(2)
    terms = clock_term(5_000) + id_term(3, ID) + mark_term(OUTSIDE, SHOP, 7) + sent_term(2, 2)
    assert state.digest == terms + page_term(ACCOUNT.type_id, KEY, 4, body("ann", 9))
    assert state.read_page(ACCOUNT.type_id, KEY) == (4, body("ann", 9))
    assert (state.first_offset(ID), state.mark(OUTSIDE, SHOP), state.sent(2)) == (3, 7, 2)
    state.check()


def test_a_deleted_page_leaves_no_trace():
    state = new()
    state.write_page(ACCOUNT.type_id, KEY, 1, body("ann", 9))
    state.write_page(ACCOUNT.type_id, KEY, 2, None)
    assert (state.digest, state.page_count) == (Digest(), 0)
    state.write_page(ACCOUNT.type_id, KEY, 3, None)
    assert state.digest == Digest()


@pytest.mark.parametrize("status", Status)
def test_an_id_is_remembered_unless_it_settled_as_duplicate_or_noop(status):
    state = new()
    state.settle(0, status, ID, None)
    remembered = status in (Status.APPLIED, Status.REJECTED, Status.QUARANTINED)
    assert state.first_offset(ID) == (0 if remembered else None)


@pytest.mark.parametrize("status", Status)
def test_a_number_raises_its_sources_mark_unless_it_settled_as_noop(status):
    state = new()
    state.settle(0, status, None, outside(7))
    assert state.mark(OUTSIDE, SHOP) == (0 if status == Status.NOOP else 7)
    assert state.mark(FOLLOW_UP, SHOP) == 0


def test_a_mark_never_falls():
    state = new()
    state.settle(0, Status.APPLIED, None, outside(7))
    state.settle(1, Status.DUPLICATE, None, outside(3))
    assert (state.mark(OUTSIDE, SHOP), state.source_count) == (7, 1)
    state.check()


def test_an_id_that_is_remembered_keeps_its_first_offset():
    state = new()
    state.settle(0, Status.APPLIED, ID, None)
    state.settle(1, Status.QUARANTINED, ID, None)
    assert state.first_offset(ID) == 0
    state.check()


def test_an_id_is_forgotten_once_the_window_has_passed():
    state = new()
    state.settle(0, Status.APPLIED, ID, None)
    for offset in range(1, 4):
        state.settle(offset, Status.NOOP, None, None)
        assert state.first_offset(ID) == 0
    state.settle(4, Status.NOOP, None, None)  # 4 - W = 0
    assert state.first_offset(ID) is None
    assert state.digest == Digest()
    state.settle(5, Status.APPLIED, ID, None)
    assert state.first_offset(ID) == 5


def test_layouts_are_found_by_name_and_type_and_replaced_by_name():
    state = new()
    state.add_layout(BADGE)
    assert state.layouts == {"Account": ACCOUNT, "Badge": BADGE}
    state.begin()
    state.add_layout(WIDER)
    assert state.layout_of(WIDER.type_id) is WIDER
    assert state.layout_of(ACCOUNT.type_id) is None
    state.rollback()
    assert state.layout_of(ACCOUNT.type_id) is ACCOUNT
    assert state.layout_of(WIDER.type_id) is None
    state.check()


def test_the_clock_never_goes_back():
    state = new()
    state.advance_clock(5)
    with pytest.raises(AssertionError, match="never goes back"):
        state.advance_clock(4)


def test_check_notices_a_digest_that_is_not_that_of_the_state():
    state = new()
    state.digest += Digest(1, 0)
    with pytest.raises(AssertionError, match="from nothing"):
        state.check()


def test_check_notices_pages_without_a_layout():
    state = PartitionState(GENESIS)
    state.write_page(ACCOUNT.type_id, KEY, 1, body("ann", 1))
    with pytest.raises(AssertionError, match="has a layout"):
        state.check()


STATUSES = st.sampled_from(Status)
SOURCES = st.none() | st.builds(
    Source, st.just(OUTSIDE), st.sampled_from([SHOP, bytes(16)]), st.integers(1, 9), st.just(0)
)
EFFECTS = st.one_of(
    st.tuples(st.just("settle"), STATUSES, st.none() | st.sampled_from([ID, OTHER_ID]), SOURCES),
    st.tuples(st.just("page"), st.integers(1, 3), st.none() | st.integers(0, 9)),
    st.tuples(st.just("clock"), st.integers(0, 9)),
    st.tuples(st.just("sent"), st.integers(0, 2)),
    st.tuples(st.just("layout"), st.sampled_from([ACCOUNT, BADGE])),
)


def do(state: PartitionState, offset: int, effect) -> None:
    kind, *arguments = effect
    if kind == "settle":
        state.settle(offset, *arguments)
    elif kind == "page":
        content = None if arguments[1] is None else body("x", arguments[1])
        state.write_page(ACCOUNT.type_id, ACCOUNT.pack_key(arguments[0]), offset + 1, content)
    elif kind == "clock":
        state.advance_clock(state.clock + arguments[0])
    elif kind == "sent":
        state.count_follow_up(*arguments)
    else:
        state.add_layout(*arguments)


def everything(state: PartitionState):
    pages = sorted(((page, epoch, content) for page, epoch, content in state.pages))
    return (state.digest, state.clock, state.layouts, pages, list(state._ids), dict(state._marks), dict(state._sent))


@given(st.lists(EFFECTS, max_size=12), st.lists(EFFECTS, max_size=12))
def test_what_was_begun_can_be_taken_back_whole(kept, undone):
    state = new()
    for offset, effect in enumerate(kept):
        do(state, offset, effect)
    state.check()
    before = everything(state)
    state.begin()
    for offset, effect in enumerate(undone, len(kept)):
        do(state, offset, effect)
        assert state.digest == state.recompute_digest()
    state.rollback()
    state.check()
    assert everything(state) == before


@given(st.lists(EFFECTS, max_size=12))
def test_committing_keeps_what_was_done(effects):
    state, plain = new(), new()
    state.begin()
    for offset, effect in enumerate(effects):
        do(state, offset, effect)
        do(plain, offset, effect)
    state.commit()
    state.check()
    assert everything(state) == everything(plain)


def test_one_stretch_at_a_time_can_be_taken_back():
    state = new()
    state.begin()
    with pytest.raises(AssertionError, match="one undoable stretch"):
        state.begin()
    with pytest.raises(AssertionError, match="left open"):
        state.check()
    state.commit()
    state.rollback()
    state.check()


def test_pages_in_memory_are_a_plain_table():
    pages = MemoryPages()
    pages.put((1, b"k"), 5, b"body")
    assert pages.get((1, b"k")) == (5, b"body")
    assert pages.get((2, b"k")) is None
    assert list(pages) == [((1, b"k"), 5, b"body")]
    pages.delete((1, b"k"))
    assert len(pages) == 0
