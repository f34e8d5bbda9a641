"""Kafka's own dump tool reads both logs without complaint, sees in them what we see, and complains of damaged ones.

What it sees is held against the independent model's decoder, batch by batch and record by record.
"""

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

import mmsb
from tests.kafka.folders import run_bank, write_odd
from tests.kafka.programs import Dump, DumpedBatch, DumpedRecord, dump
from tests.model.batch import decode_batch

pytestmark = pytest.mark.usefixtures("programs")

SEGMENT_BYTES = 20_000
LARGE_SEGMENT_BYTES = 2**30

_HEADER = struct.Struct(">qiibIhiqqqhii")


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def seen_by_model(paths: list[Path]) -> Dump:
    """What the dump tool must say of sound segments."""
    seen = Dump([], [], [])
    for path in paths:
        data, at = path.read_bytes(), 0
        while at < len(data):
            records, end = decode_batch(data, at)
            _, _, epoch, magic, checksum, *_ = _HEADER.unpack_from(data, at)
            first = records[0]
            seen.batches.append(
                DumpedBatch(
                    first.offset, records[-1].offset, len(records), epoch, first.transactional, first.control, at,
                    max(record.time for record in records), end - at, magic, checksum, True,
                )
            )  # fmt: skip
            for record in records:
                sizes = [-1 if part is None else len(part) for part in (record.key, record.value)]
                seen.records.append(DumpedRecord(record.offset, record.time, *sizes))
            at = end
    return seen


def read_by_both(folder: Path) -> Dump:
    paths = segments(folder)
    found = dump(paths)
    assert found.complaints == []
    assert found == seen_by_model(paths)
    offsets = [record.offset for record in found.records]
    assert offsets == list(range(len(offsets))), "dense, across segments too"
    return found


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    run_bank(folder, SEGMENT_BYTES)
    return folder / "0"


@pytest.mark.parametrize("log", ["intents", "tlog"])
def test_kafka_reads_a_log_of_several_segments_as_we_do(bank: Path, log: str) -> None:
    paths = segments(bank / log)
    assert len(paths) >= 3
    found = read_by_both(bank / log)
    names = [int(path.stem) for path in paths]
    assert all(before < after for before, after in pairwise(names))
    assert set(names) <= {batch.first for batch in found.batches}


@pytest.mark.parametrize("log", ["intents", "tlog"])
def test_kafka_reads_large_batches(tmp_path: Path, log: str) -> None:
    run_bank(tmp_path, LARGE_SEGMENT_BYTES)
    found = read_by_both(tmp_path / "0" / log)
    assert max(batch.size for batch in found.batches) > 100_000


def test_kafka_reads_every_outcome_and_what_caused_it(tmp_path: Path) -> None:
    statuses = write_odd(tmp_path / "odd")
    assert set(statuses) == set(mmsb.Status)
    batches = read_by_both(tmp_path / "odd" / "intents").batches
    assert [batch.control for batch in batches] == [False, True, False, False, False]
    assert [batch.transactional for batch in batches] == [False, False, True, False, False]
    assert len(read_by_both(tmp_path / "odd" / "tlog").batches) == 3 + len(batches)


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def cut_tail(data: bytes) -> bytes:
    return data[:-5]


def skip_an_offset(data: bytes) -> bytes:
    _, second = decode_batch(data)
    offset = struct.unpack_from(">q", data, second)[0]
    return data[:second] + struct.pack(">q", offset + 1) + data[second + 8 :]


def add_zeros(data: bytes) -> bytes:
    return data + bytes(100)


@pytest.mark.parametrize("log", ["intents", "tlog"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_last, "isvalid: false"),
        (cut_tail, "invalid bytes"),
        (skip_an_offset, "Non-consecutive"),
        (add_zeros, "exit code"),
    ],
)
def test_kafka_complains_of_a_damaged_segment(
    bank: Path, tmp_path: Path, log: str, damage: Callable[[bytes], bytes], words: str
) -> None:
    source = max(segments(bank / log), key=lambda path: len(seen_by_model([path]).batches))
    path = tmp_path / source.name
    path.write_bytes(damage(source.read_bytes()))
    assert any(words in line for line in dump([path]).complaints)
