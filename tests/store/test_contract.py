"""One contract, two stores: RocksDB, and the model that simulation puts in its place."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, MmsbError

FIRST, STOP = b"\x00", b"\xff"
KEYS = [b"\x10%03d" % number for number in range(1000)]


def everything(rows):
    return list(rows.rows(FIRST, STOP))


def test_a_new_store_has_no_rows(store):
    assert everything(store) == []
    assert store.read([b"\x00", b"\x10a"]) == [None, None]


def test_what_was_ingested_is_read(store):
    rows = [(key, key * 100) for key in KEYS]
    assert store.ingest(rows) >= sum(len(value) for _, value in rows)
    assert everything(store) == rows
    asked = [KEYS[7], b"\x10zzz", KEYS[3], KEYS[7], *KEYS]
    assert store.read(asked) == [KEYS[7] * 100, None, KEYS[3] * 100, KEYS[7] * 100, *(key * 100 for key in KEYS)]


def test_a_row_replaces_the_one_before_and_an_empty_one_takes_it_away(store):
    store.ingest([(key, b"old") for key in KEYS])
    store.ingest([(KEYS[1], b"new"), (KEYS[2], b""), (b"\x11", b"more")])
    expected = dict.fromkeys(KEYS, b"old") | {KEYS[1]: b"new", b"\x11": b"more"}
    del expected[KEYS[2]]
    assert everything(store) == sorted(expected.items())
    assert store.read(KEYS[:4]) == [b"old", b"new", None, b"old"]


def test_taking_away_what_was_never_there_is_nothing(store):
    store.ingest([(KEYS[2], b"")])
    assert everything(store) == []


def test_rows_are_those_between_two_keys(store):
    store.ingest([(key, key) for key in KEYS])
    assert [key for key, _ in store.rows(KEYS[250], KEYS[700])] == KEYS[250:700]
    assert list(store.rows(KEYS[5], KEYS[5])) == []
    assert [key for key, _ in store.rows(KEYS[998] + b"x", STOP)] == KEYS[999:]


def test_nothing_is_ingested_of_no_rows(store):
    assert store.ingest([]) == 0
    assert store.ingest(iter([(KEYS[0], b"x")])) > 0
    assert store.ingest(iter([])) == 0
    assert everything(store) == [(KEYS[0], b"x")]


def test_rows_are_there_after_opening_again(home, folder):
    first = home.open(folder)
    first.ingest([(key, key) for key in KEYS])
    first.ingest([(KEYS[4], b"")])
    first.close()
    again = home.open(folder)
    assert everything(again) == [(key, key) for key in KEYS if key != KEYS[4]]
    again.close()


@pytest.mark.parametrize("rows", [[(b"b", b"1"), (b"a", b"2")], [(b"a", b"1"), (b"a", b"2")]])
def test_rows_whose_keys_do_not_rise_are_refused_and_none_of_them_is_there(home, folder, rows):
    store = home.open(folder)
    store.ingest([(b"\x01", b"kept")])
    with pytest.raises(InvalidValue, match="keys rise"):
        store.ingest(rows)
    assert everything(store) == [(b"\x01", b"kept")]
    store.close()
    again = home.open(folder)
    assert everything(again) == [(b"\x01", b"kept")]
    again.close()


def test_after_a_failure_in_the_middle_none_of_the_rows_is_there_and_no_more_are_taken(home, folder):
    def failing():
        yield b"\x01", b"half"
        raise ZeroDivisionError

    store = home.open(folder)
    store.ingest([(b"\x00", b"kept")])
    with pytest.raises(ZeroDivisionError):
        store.ingest(failing())
    with pytest.raises(EnvironmentFailed, match="takes nothing more"):
        store.ingest([(b"\x02", b"later")])
    assert everything(store) == [(b"\x00", b"kept")]
    store.close()
    again = home.open(folder)
    assert everything(again) == [(b"\x00", b"kept")]
    again.ingest([(b"\x02", b"later")])
    assert everything(again) == [(b"\x00", b"kept"), (b"\x02", b"later")]
    again.close()


def test_a_snapshot_stays_as_it_was(store):
    store.ingest([(key, b"old") for key in KEYS])
    snapshot = store.snapshot()
    begun = snapshot.rows(FIRST, STOP)
    next(begun)
    store.ingest([(key, b"new") for key in KEYS[:500]] + [(key, b"") for key in KEYS[500:]])
    assert snapshot.read([KEYS[0], KEYS[600], b"?"]) == [b"old", b"old", None]
    assert everything(snapshot) == [(key, b"old") for key in KEYS]
    assert list(begun) == [(key, b"old") for key in KEYS[1:]]
    snapshot.close()
    assert everything(store) == [(key, b"new") for key in KEYS[:500]]


def test_closing_does_not_wait_for_whoever_reads(home, folder):
    """A live iterator or snapshot of RocksDB keeps the folder locked: they end with the store."""
    store = home.open(folder)
    store.ingest([(key, key) for key in KEYS])
    snapshot = store.snapshot()
    held = [store.rows(FIRST, STOP), snapshot.rows(FIRST, STOP)]
    for rows in held:
        next(rows)
    store.close()
    again = home.open(folder)
    assert len(everything(again)) == len(KEYS)
    again.close()


def test_a_closed_store_takes_nothing_and_closes_again(home, folder):
    store = home.open(folder)
    store.close()
    store.close()
    with pytest.raises(EnvironmentFailed, match="closed; open it again"):
        store.ingest([(b"a", b"b")])


def test_a_checkpoint_is_a_store_of_its_own(home, folder, store):
    store.ingest([(key, b"old") for key in KEYS])
    target = home.folder / "kept"
    store.checkpoint(target)
    store.ingest([(key, b"new") for key in KEYS])
    checkpoint = home.open_checkpoint(target)
    assert everything(checkpoint) == [(key, b"old") for key in KEYS]
    assert checkpoint.read([KEYS[1], b"?"]) == [b"old", None]
    checkpoint.close()
    other = home.open(target)
    other.ingest([(KEYS[0], b"own")])
    assert other.read(KEYS[:2]) == [b"own", b"old"]
    other.close()
    assert store.read(KEYS[:2]) == [b"new", b"new"]


def test_a_checkpoint_is_read_without_changing_a_byte(home, folder, store):
    store.ingest([(key, key * 50) for key in KEYS])
    target = home.folder / "kept"
    store.checkpoint(target)
    before = contents(home.files, target)
    checkpoint, another = home.open_checkpoint(target), home.open_checkpoint(target)
    assert everything(checkpoint) == everything(another)
    checkpoint.close()
    another.close()
    assert contents(home.files, target) == before


def test_a_checkpoint_goes_nowhere_where_something_is(home, folder, store):
    store.ingest([(b"a", b"b")])
    target = home.folder / "kept"
    store.checkpoint(target)
    before = contents(home.files, target)
    with pytest.raises(MmsbError, match="kept: expected"):
        store.checkpoint(target)
    assert contents(home.files, target) == before


def test_no_checkpoint_is_opened_where_none_is(home):
    with pytest.raises(MmsbError, match="nowhere"):
        home.open_checkpoint(home.folder / "nowhere")
    assert not home.files.exists(home.folder / "nowhere")


changes = st.lists(st.dictionaries(st.sampled_from(KEYS[:12]), st.binary(max_size=40), max_size=8), max_size=6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes)
def test_any_changes_leave_what_a_dictionary_has(home, changes, request):
    request.node.turn = getattr(request.node, "turn", 0) + 1
    folder = home.folder / f"store-{request.node.turn}"
    home.files.make_folder(folder)
    store = home.open(folder)
    expected: dict[bytes, bytes] = {}
    for change in changes:
        store.ingest(sorted(change.items()))
        expected = {key: value for key, value in (expected | change).items() if value}
        assert everything(store) == sorted(expected.items())
    assert store.read(KEYS[:12]) == [expected.get(key) for key in KEYS[:12]]
    store.close()


def contents(files, folder):
    found = {}
    for name in files.names(folder):
        file = files.open(folder / name, read_only=True)
        found[name] = file.read(0, file.size())
        file.close()
    return found
