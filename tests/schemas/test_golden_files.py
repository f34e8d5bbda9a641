"""The formats stand still: each golden file is what today's code writes, and reads back to itself."""

import pytest

from mmsb.schemas.batches import CONTROL, TRANSACTIONAL, Record, decode_batch, encode_batch
from tests.golden.make import FILES, FOLDER, FOREIGN, FORMATS


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_golden_file_is_what_todays_code_writes(name):
    assert (FOLDER / name).read_bytes() == FILES[name]()


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_golden_file_reads_back_to_itself(name):
    data = (FOLDER / name).read_bytes()
    assert FORMATS[name.split("/")[0]].again(data) == data


def test_no_golden_file_is_forgotten():
    files = (path for path in FOLDER.glob("*/*") if path.is_file() and "__" not in str(path))
    present = {path.relative_to(FOLDER).as_posix() for path in files}
    assert {name for name in present if not name.startswith(FOREIGN)} == set(FILES)


def test_a_batch_of_another_client_reads_as_it_was_meant_and_is_what_we_would_write():
    data = (FOLDER / "kafka/plain.bin").read_bytes()
    meant = [
        Record(b"k", b"one", 1_700_000_000_000),
        Record(None, b"", 1_700_000_000_250),
        Record(b"", None, 1_699_999_999_900, (("trace", b"t"), ("none", None))),
    ]
    records, end = decode_batch(data)
    assert end == len(data)
    assert list(records) == meant
    assert set(records.flags) == {0}
    assert encode_batch(0, meant, leader_epoch=-1) == data


def test_a_transactional_batch_of_another_client_is_known_as_one():
    records, _ = decode_batch((FOLDER / "kafka/transactional.bin").read_bytes())
    assert list(records) == [Record(None, b"v" * 200, 1_700_000_000_000)]
    assert records.flags == bytes([TRANSACTIONAL])
    assert not records.flags[0] & CONTROL
