"""Golden files of rows. That RocksDB takes them over is asked in tests/store/test_table_file.py."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mmsb.state.store import Row
from mmsb.streams.store.columns import columns_of
from mmsb.streams.store.table_file import TableFile
from tests.store.tables import rows_in

SESSION = "0123456789ABCDEFGHIJ"


def written(rows: Sequence[Row]) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        table = TableFile(path, SESSION)
        for columns in columns_of(rows):
            table.add(columns)
        table.finish()
        return path.read_bytes()


FILES = {
    "one.bin": lambda: written([(b"\x00", b"meta")]),
    "removed.bin": lambda: written(
        [(b"", b""), (b"\x01", b"x"), (b"\x01\xff\xfe\xfd", b""), (b"\xff" * 14, bytes(300))]
    ),
    "two_blocks.bin": lambda: written([(bytes([10, number]), bytes(3_000)) for number in range(7)]),
}


def again(data: bytes) -> bytes:
    return written(rows_in(data))
