"""One system call fails, in a real `mmsb run`: it says so by its exit code, and loses nothing that it had told."""

import errno
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import mmsb
from mmsb.cli.exits import Exit
from mmsb.streams.store.rocks import INGESTED
from tests.faults.clients import Heard, judge, work_at
from tests.faults.owners import Owners

GRACE_SECONDS = 10.0  # for an owner in which something failed to end by itself

STRACE = shutil.which("strace")

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed, which makes system calls fail")

INTENTS, TLOG = f"0/intents/{0:020}.log", f"0/tlog/{0:020}.log"
ROWS, MANIFEST = f"0/home/{INGESTED}", "0/home/MANIFEST-000005"
DRAFT = "0/checkpoints/next.making"

STOPS = [
    *(("fdatasync", "EIO", when, "") for when in "1234"),
    *(("fsync", "EIO", when, "") for when in ("1", "2", "3", "5", "8", "13+")),
    *(("rename", "EIO", when, "") for when in "12"),
    *(("pwrite64", "ENOSPC", when, INTENTS) for when in "14"),
    *(("fdatasync", "EIO", when, INTENTS) for when in "14"),
    *(("pwrite64", "ENOSPC", when, TLOG) for when in "1247"),
    *(("fdatasync", "EIO", when, TLOG) for when in "1247"),
    *(("pwrite64", "EIO", when, "0/mark") for when in "14"),
    ("pwrite64", "ENOSPC", "1", ROWS),  # each flush has a thread of its own for that
    *(("fdatasync", "EIO", when, ROWS) for when in "12"),
    ("link", "EPERM", "1", ROWS),
    *(("write", "ENOSPC", when, MANIFEST) for when in "12"),
    *(("fdatasync", "EIO", when, MANIFEST) for when in "12"),
]
"""Call, error, which of a thread's calls fails (strace counts in each by itself), and of which file if not of any."""

REFUSES = [
    ("pwrite64", "ENOSPC", "1", f"{DRAFT}/manifest"),
    ("fdatasync", "EIO", "1", f"{DRAFT}/manifest"),
    ("rename", "EIO", "1", DRAFT),
]
"""What a checkpoint needs and nothing else: whoever asked for one is told, and the owner goes on."""


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def attach(process: int, call: str, error: str, when: str, path: str, log: Path) -> "subprocess.Popen[str]":
    assert STRACE is not None
    inject = f"inject={call}:error={error}:when={when}"
    of_file = ["-P", path] if path else []
    tracer = subprocess.Popen(
        [STRACE, "-f", "-p", str(process), *of_file, "-o", str(log), "-e", f"trace={call}", "-e", inject],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert tracer.stderr is not None
    said = ""
    while "attached" not in said:
        line = tracer.stderr.readline()
        said += line
        if not line:
            tracer.communicate()
            pytest.skip(f"strace may not attach here: {said.strip()}")
    return tracer


@dataclass
class Lived:
    """An owner under strace: what a client heard, the exit code, what it said, and whether something failed."""

    heard: Heard
    code: int
    said: str
    injected: bool


def live(
    owners: Owners, tmp_path: Path, call: str, error: str, when: str, path: str, grace_seconds: float = 0
) -> Lived:
    data, errors, log = tmp_path / "data", tmp_path / "errors", tmp_path / "calls"
    process = owners.begin(["run", "examples.bank:app", "--data", str(data), "--interpreted", "--json"], errors)
    tracer = attach(process, call, error, when, str(data / path) if path else "", log)
    owners.go()
    heard = work_at(data, lambda: is_alive(process))
    until = time.monotonic() + grace_seconds
    while is_alive(process) and time.monotonic() < until:
        time.sleep(0.01)
    if is_alive(process):
        os.kill(process, signal.SIGTERM)
    code = owners.end()
    tracer.communicate(timeout=10)
    return Lived(heard, code, errors.read_text(), "(INJECTED)" in log.read_text())


@pytest.mark.parametrize(("call", "error", "when", "path"), STOPS)
def test_a_call_that_fails_stops_the_owner_and_what_it_told_is_there(
    owners: Owners, tmp_path: Path, call: str, error: str, when: str, path: str
) -> None:
    lived = live(owners, tmp_path, call, error, when, path, GRACE_SECONDS)
    assert lived.injected, "the run came to this call"
    assert lived.code == Exit.ENVIRONMENT, lived
    assert os.strerror(getattr(errno, error)) in lived.said
    # What RocksDB could not sync may be there nonetheless, and name rows that it has removed since.
    judge(tmp_path / "data", lived.heard, home_may_be_wrong=path == MANIFEST)


@pytest.mark.parametrize(("call", "error", "when", "path"), REFUSES)
def test_a_call_that_only_a_checkpoint_needs_is_told_to_who_asked_for_one(
    owners: Owners, tmp_path: Path, call: str, error: str, when: str, path: str
) -> None:
    lived = live(owners, tmp_path, call, error, when, path)
    assert lived.injected, "the run came to this call"
    assert type(lived.heard.error) is mmsb.EnvironmentFailed
    assert os.strerror(getattr(errno, error)) in str(lived.heard.error)
    assert lived.code == Exit.DONE, lived
    judge(tmp_path / "data", lived.heard)
