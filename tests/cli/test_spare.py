"""A spare waits without touching the folder, takes over when its owner dies, and goes when it is told to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmsb.cli.exits import Exit
from tests.cli.running import Owner, environment, make, mmsb, objects
from tests.project.tree import ROOT


@contextmanager
def spare_of(folder: Path) -> Generator["subprocess.Popen[str]"]:
    """`mmsb run --spare`, which says already that it waits."""
    command = [sys.executable, "-m", "mmsb", "run", "examples.bank:app", "--data", str(folder)]
    with subprocess.Popen(
        [*command, "--spare", "--json", "--interpreted"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert said_by(process) == {"event": "waiting"}
            yield process
        finally:
            process.kill()


def said_by(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def looks_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What each file is, and when it or its folder was changed."""
    found = ((path, path.stat()) for path in [folder, *folder.rglob("*")])
    return {str(path): (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found}


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return make(tmp_path / "bank")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_owner_ends_the_spare_serves_what_it_left(bank: Path, number: signal.Signals) -> None:
    with Owner(bank) as owner, spare_of(bank) as spare:
        receipt = objects(mmsb("submit", bank, "Deposit", "account=1", "amount=5", "--json").stdout)[0]
        owner.end(number)

        ready = said_by(spare)
        again = objects(mmsb("submit", bank, "Deposit", "account=1", "amount=5", "--json").stdout)[0]
        [page] = objects(mmsb("get", bank, "Account", "1", "--json").stdout)

        assert ready["event"] == "ready"
        assert [again["status"], again["offset"]] == ["applied", receipt["offset"] + 1]
        assert page["fields"]["balance"] == 60
        spare.send_signal(signal.SIGTERM)
        assert [said_by(spare), spare.wait(60)] == [{"event": "ended"}, Exit.DONE]


def test_a_spare_that_waits_touches_nothing(bank: Path) -> None:
    with Owner(bank):
        before = looks_of(bank)
        with spare_of(bank) as spare:
            assert looks_of(bank) == before
            spare.send_signal(signal.SIGTERM)
            assert spare.wait(10) == -signal.SIGTERM
        assert looks_of(bank) == before
        assert mmsb("get", bank, "Account", "1").returncode == Exit.DONE


def test_of_two_spares_one_takes_over_and_the_other_goes_on_waiting(bank: Path) -> None:
    with Owner(bank) as owner, spare_of(bank) as one, spare_of(bank) as other:
        owner.end(signal.SIGKILL)
        holder = int((bank / "lock").read_text() or owner.process.pid)
        while holder == owner.process.pid:
            time.sleep(0.01)
            holder = int((bank / "lock").read_text() or owner.process.pid)
        first, second = (one, other) if holder == one.pid else (other, one)
        assert said_by(first)["event"] == "ready"
        assert second.poll() is None
        first.kill()
        assert said_by(second)["event"] == "ready"
        assert int((bank / "lock").read_text()) == second.pid


def test_a_folder_that_nobody_ever_ran_has_no_use_for_a_spare(tmp_path: Path) -> None:
    done = mmsb("run", "examples.bank:app", "--data", tmp_path / "none", "--spare", "--interpreted")

    assert done.returncode == Exit.ENVIRONMENT
    assert "start the owner, and then the spare" in done.stderr
    assert os.listdir(tmp_path) == []
