"""SIGKILL while rows are ingested: all rows of an ingest are there, or none, and of those that had returned, all."""

import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest

from mmsb.streams.store.rocks import INGESTED, RocksStore
from tests.project.tree import ROOT

WRITER = """
import sys
from pathlib import Path
from mmsb.streams.store.rocks import RocksStore

store = RocksStore(Path(sys.argv[1]))
begun = store.read([b"\\x00"])[0]
number = int(begun or b"0")
while True:
    number += 1
    value = b"%d" % number
    store.ingest([(b"\\x00", value), *((b"\\x10%04d" % row, value * 200) for row in range(300))])
    print(number, flush=True)
    if number % 5 == 0:
        store.checkpoint(Path(sys.argv[2]) / f"{number}")
"""
KILLS = 8


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_all_of_an_ingest_or_nothing(tmp_path):
    folder, kept, random = tmp_path / "store", tmp_path / "kept", Random(11)
    folder.mkdir()
    kept.mkdir()
    found = 0
    for turn in range(KILLS):
        (kept / str(turn)).mkdir()
        told = run_and_kill(folder, kept / str(turn), random)
        store = RocksStore(folder)
        assert INGESTED not in os.listdir(folder)
        rows = list(store.rows(b"\x00", b"\xff"))
        found = int(rows[0][1]) if rows else 0
        assert found in (told, told + 1)
        assert len(rows) == (301 if found else 0)
        assert {value for _, value in rows[1:]} <= {b"%d" % found * 200}
        store.close()
    assert found > KILLS, "each life came to some ingests"


def run_and_kill(folder, kept, random):
    """A life of the writer; gives the last ingest that it was told of, in all lives."""
    started = RocksStore(folder)
    told = int(started.read([b"\x00"])[0] or b"0")
    started.close()
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(kept)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(random.randint(1, 12)):
        told = int(process.stdout.readline())
    if random.random() < 0.7:  # else at once: often within what follows an ingest
        time.sleep(random.random() * 0.02)
    process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0].split()
    return int(rest[-1]) if rest else told
