"""`make run`, as a newcomer sees it, and what it leaves behind."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmsb.cli.exits import Exit
from tests.cli.running import environment, mmsb, objects
from tests.docs.tables import text_of


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo"], cwd=folder, env=environment(), capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_the_demo_shows_a_million_transfers_and_leaves_a_folder_to_try_things_on(tmp_path):
    done = demo(tmp_path)
    out = done.stdout

    assert (done.returncode, done.stderr) == (0, "")
    counts = re.findall(r"^ +([\d,]+)  (applied|rejected|duplicate)", out, re.MULTILINE)
    assert sum(int(count.replace(",", "")) for count, _ in counts) == 1_000_000
    assert {status for _, status in counts} == {"applied", "rejected", "duplicate"}
    for words in ("per second", "Account 7 balance = ", "the predicate of Transfer said no", "first seen at offset"):
        assert words in out
    assert re.search(r"^  partition 0: checkpoint 0+1020000-.* 10,000 pages, .*, verified$", out, re.MULTILINE)
    assert re.search(r"--at 19999\n.*\n +7  10008  owner 7 +5000 +1$", out, re.MULTILINE)
    digest = re.search(r"the running bank's digest: (\w+)", out)
    assert digest is not None
    assert f"digest {digest[1]}\n" in out

    *_, history, verify, run = out.splitlines()
    assert run.strip() == f"{history.split()[0]} run examples.bank:app --data data/bank"
    for line in (history, verify):
        assert mmsb(*line.split()[1:], cwd=tmp_path).returncode == Exit.DONE
    [replayed] = objects(mmsb("replay", "data/bank", "--json", cwd=tmp_path).stdout)
    assert replayed["digest"] == digest[1]


def test_the_demo_deletes_no_folder_that_it_did_not_make(tmp_path):
    precious = tmp_path / "data" / "bank" / "precious"
    precious.parent.mkdir(parents=True)
    precious.touch()

    done = demo(tmp_path)

    assert done.returncode == 1
    assert "move it away" in done.stderr
    assert precious.exists()


def test_make_run_is_the_demo():
    assert re.search(r"^run: setup ## .*\n\t@\$\(BIN\)/python -m examples\.demo$", text_of("Makefile"), re.MULTILINE)
