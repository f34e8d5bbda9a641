"""Files of rows that we write, held against those of RocksDB's own writer, and read by RocksDB."""

import ctypes
import errno
import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rocksdict import IngestExternalFileOptions, Options, Rdict, SstFileWriter

from mmsb.kernels.table_files.blocks import BLOCK_BYTES
from mmsb.kernels.table_files.xxh64 import hash_bytes
from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue
from mmsb.state.store import Row, Run, each_row
from mmsb.streams.store import ahead, rocks
from mmsb.streams.store.ahead import AheadFile
from mmsb.streams.store.columns import columns_of
from mmsb.streams.store.rocks import RocksStore
from mmsb.streams.store.table_file import TableFile
from mmsb.streams.store.table_tail import new_session
from tests.golden.make import FOLDER as GOLDEN
from tests.golden.table_files import FILES
from tests.store.tables import Table, rows_in

FIRST, STOP = b"", b"\xff" * 64
SOMETIMES_DIFFERENT = {
    b"rocksdb.creating.db.identity",
    b"rocksdb.creating.session.identity",
    b"rocksdb.filter.size",
    b"rocksdb.index.size",
    b"rocksdb.data.size",
    b"rocksdb.num.data.blocks",
    b"rocksdb.tail.start.offset",
}
"""Blocks end elsewhere, keys are whole, and the filter is of another form."""


def written(path: Path, pieces: Iterable[Row | Run]) -> Table:
    path.unlink(missing_ok=True)
    table = TableFile(path, new_session())
    try:
        for columns in columns_of(pieces):
            table.add(columns)
        size = table.finish()
    finally:
        table.close()
    assert path.stat().st_size == size
    return Table(path.read_bytes())


def written_by_rocksdb(path: Path, rows: Iterable[Row], options: Options) -> Table:
    path.unlink(missing_ok=True)
    writer = SstFileWriter(options)
    writer.open(str(path))
    for key, value in rows:
        if value:
            writer[key] = value
        else:
            del writer[key]
    writer.finish()
    return Table(path.read_bytes())


@pytest.fixture(scope="module")
def options():
    return rocks._options(1 << 20)


keys = st.one_of(st.binary(max_size=6), st.binary(min_size=14, max_size=14), st.binary(max_size=300))
values = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    st.integers(1, 3 * BLOCK_BYTES).map(lambda size: bytes([size % 251]) * size),
)
some_rows = st.dictionaries(keys, values, min_size=1, max_size=40).map(lambda rows: sorted(rows.items()))


@given(rows=some_rows)
@example(rows=[(b"", b"")])
@example(rows=[(b"\x00", b"x" * (5 << 20)), (b"\x01", b""), (b"\x01\x00", b"y" * (9 << 20))])
@example(rows=[(bytes([number]), b"x" * (4_000 if number % 4 else 5 << 20)) for number in range(24)])
@example(rows=[(number.to_bytes(14, "big"), b"") for number in range(5_000)])
@example(rows=[(number.to_bytes(3, "big"), b"z" * 1_000) for number in range(10_000)])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_says_what_that_of_rocksdbs_own_writer_says(tmp_path, options, rows):
    ours, theirs = written(tmp_path / "ours", rows), written_by_rocksdb(tmp_path / "theirs", rows, options)
    assert ours.rows() == theirs.rows() == rows
    for name, value in ours.properties.items():
        assert value == theirs.properties[name] or name in SOMETIMES_DIFFERENT, name
    assert set(ours.named) == set(theirs.named)


@given(rows=some_rows, before=some_rows)
@example(rows=[(b"\x00", b"x" * (5 << 20)), (b"\x01", b"")], before=[(b"\x01", b"a"), (b"\x02", b"b")])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rocksdb_reads_merges_and_opens_again_what_was_taken_over(tmp_path_factory, rows, before):
    folder = tmp_path_factory.mktemp("store")
    expected = {key: value for key, value in (dict(before) | dict(rows)).items() if value}
    asked = [key for key, _ in rows] + [key + b"?" for key, _ in rows]
    store = RocksStore(folder)
    store.ingest(before)
    store.ingest(rows)

    def judge() -> None:
        assert dict(store.rows(FIRST, STOP)) == {key: value for key, value in expected.items() if key < STOP}
        assert store.read(asked) == [expected.get(key) for key in asked]

    judge()
    store._rows.compact_range(None, None)
    judge()
    store.close()
    store = RocksStore(folder)
    judge()
    store.close()


def test_blocks_end_with_the_row_that_makes_them_large_and_the_index_has_their_last_keys(tmp_path):
    rows = [(number.to_bytes(4, "big"), os.urandom(number % 3_000 + 1)) for number in range(400)]
    table = written(tmp_path / "rows", rows)
    blocks = list(table.blocks())
    assert [key for key, _ in blocks] == sorted(key for key, _ in blocks)
    assert [block.at for _, block in blocks][1:] == [block.at + len(block.data) + 5 for _, block in blocks][:-1]
    for _, block in blocks[:-1]:
        assert BLOCK_BYTES <= len(block.data) < BLOCK_BYTES + 3_000 + 40
    assert blocks[-1][0] == rows[-1][0]


def run_of(count: int) -> Run:
    words = np.arange(3 * count, dtype=np.uint64)
    starts = np.sort(np.random.default_rng(1).integers(0, 3 * count, count + 1))
    numbers = np.arange(count, dtype=">u4")
    return Run(numbers.view(np.uint8).reshape(count, 4).copy(), words, starts)


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_columns_are_rows(tmp_path, pieces):
    """Some have nothing: they take rows away."""
    run = run_of(20_000)
    assert any(not value for _, value in run.rows())
    bounds = [20_000 * piece // pieces for piece in range(pieces + 1)]
    parts: list[Row | Run] = [run.part(first, stop) for first, stop in pairwise(bounds)]
    parts.insert(0, (b"\x00", b"before"))
    parts.append((b"\x01", b"after"))
    table = written(tmp_path / "rows", parts)
    assert table.rows() == list(each_row(parts)) == [(b"\x00", b"before"), *run.rows(), (b"\x01", b"after")]


@pytest.mark.parametrize("keys", [(b"b", b"a"), (b"a", b"a"), (b"ab", b"a"), (b"\xff", b"\x7f")])
def test_keys_that_do_not_rise_are_refused_in_one_piece_and_between_two(tmp_path, keys):
    columns = [(key, b"x") for key in keys]
    with pytest.raises(InvalidValue, match="keys rise"):
        written(tmp_path / "one", columns)
    with patch("mmsb.streams.store.columns.PACKED_BYTES", 1), pytest.raises(InvalidValue, match="keys rise"):
        written(tmp_path / "two", columns)


def test_a_filter_knows_every_key_and_few_others(tmp_path):
    """RocksDB itself asks it: what it says is not there costs no block."""
    store = RocksStore(tmp_path)
    keys = [os.urandom(size % 20 + 4) for size in range(5_000)]
    store.ingest([(key, key) for key in sorted(set(keys))])
    assert store.read(keys) == keys
    strange: list[Any] = [os.urandom(12) for _ in range(2_000)]
    maybe = sum(bool(store._rows.key_may_exist(key)) for key in strange)
    assert all(store._rows.key_may_exist(key) for key in keys)
    assert maybe < len(strange) * 0.05
    store.close()


def test_every_flipped_byte_of_the_blocks_is_noticed(tmp_path):
    """All of a block is in its checksum: its rows, where they begin, and how many there are."""
    rows = [(bytes([16, number]), os.urandom(500)) for number in range(40)]
    table = written(tmp_path / "rows", rows)
    stop = sum(len(block.data) + 5 for _, block in table.blocks())
    for place in [*range(0, stop, 997), *range(stop - 180, stop)]:
        folder = tmp_path / f"store-{place}"
        folder.mkdir()
        data = bytearray(table.data)
        data[place] ^= 1 << place % 8
        (tmp_path / "damaged").write_bytes(data)
        database = Rdict(str(folder), rocks._options(1 << 20))
        with pytest.raises(Exception, match="Corruption"):  # noqa: PT012  # the last block is read at once
            database.ingest_external_file([str(tmp_path / "damaged")], IngestExternalFileOptions())
            iterator = database.iter()
            iterator.seek(b"")
            while iterator.valid():
                iterator.next()
            iterator.status()
        database.close()


def test_a_damaged_index_filter_or_footer_is_noticed_before_it_is_believed(tmp_path, options):
    rows = [(bytes([16, number]), os.urandom(900)) for number in range(60)]
    table = written(tmp_path / "rows", rows)
    for place in (table.index.at + 3, len(table.data) - 1, len(table.data) - 9):
        folder = tmp_path / f"store-{place}"
        folder.mkdir()
        data = bytearray(table.data)
        data[place] ^= 4
        (folder / "damaged").write_bytes(data)
        store = RocksStore(folder)
        with pytest.raises(Exception, match=r"Corruption|magic|Invalid"):  # noqa: PT012
            store._rows.ingest_external_file([str(folder / "damaged")], IngestExternalFileOptions())
            list(store.rows(FIRST, STOP))
        store.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0xEF46_DB37_51D8_E999),
        (b"a", 0xD24E_C4F1_A98C_6E5B),
        (b"abc", 0x44BC_2CF5_AD77_0999),
        (b"Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ],
)
def test_the_checksum_is_xxh64(data, expected):
    """The values that its makers and users name."""
    assert int(hash_bytes(np.frombuffer(bytearray(data), np.uint8))) == expected


def test_where_nothing_can_be_written_ahead_it_is_written_in_the_end(tmp_path):
    rows = [(bytes([16, number]), os.urandom(90_000)) for number in range(100)]

    def refused(*_: int) -> int:
        ctypes.set_errno(errno.EOPNOTSUPP)
        return -1

    with patch.object(ahead, "_system") as system:
        system.sync_file_range = refused
        assert written(tmp_path / "rows", rows).rows() == rows


def test_a_disk_that_fails_when_it_begins_to_write_is_heard(tmp_path):
    def failing(*_: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    with patch.object(ahead, "_system") as system:
        system.sync_file_range = failing
        with pytest.raises(EnvironmentFailed, match=r"rows: expected to write rows into it.*Input/output error"):
            written(tmp_path / "rows", [(b"\x00", b"x")])


def test_rocksdb_takes_over_the_golden_files(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.write_bytes((GOLDEN / "table_files" / name).read_bytes())
        rows = rows_in(path.read_bytes())
        (tmp_path / "store").mkdir()
        store = RocksStore(tmp_path / "store")
        store._rows.ingest_external_file([str(path)], IngestExternalFileOptions())
        assert list(store.rows(FIRST, STOP)) == [(key, value) for key, value in rows if value]
        store.close()
        rmtree(tmp_path / "store")


def test_what_fails_in_the_thread_that_writes_is_heard_and_ends_it(tmp_path):
    file = AheadFile(tmp_path / "rows")
    os.close(file._file)
    read_only = os.open(tmp_path / "rows", os.O_RDONLY)
    file._file = read_only
    file.write(file.memory(), 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.finish()
    file.close()


def test_damage_of_a_flush_is_told_as_any_other(tmp_path):
    store = RocksStore(tmp_path)
    store.ingest([(b"\x10%03d" % number, os.urandom(3_000)) for number in range(50)])
    store.close()
    [path] = tmp_path.glob("*.sst")
    data = bytearray(path.read_bytes())
    data[70_000] ^= 1
    path.write_bytes(data)
    store = RocksStore(tmp_path)
    with pytest.raises(CorruptState):
        list(store.rows(FIRST, STOP))
    store.close()
