"""Mistakes that newcomers make on the command line: each message names the cause and what to do, in a line or two."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmsb.cli.exits import Exit
from tests.cli.running import Owner, environment, mmsb
from tests.project.tree import ROOT

USAGE = [
    (["rum", "x"], "there is no command 'rum'; did you mean `mmsb run`?"),
    (["delete", "x"], "there is no command 'delete'; there are run, submit,"),
    (["get"], "missing: DATA, PAGE, KEY; `mmsb get --help` shows how"),
    (["process"], "missing: APP, DATA; `mmsb process --help` shows how"),
    (["run", "--data", "NEW"], "missing: APP, module:name, or path/to/file.py"),
    (["run", "examples.bank:app"], "missing: DATA, the data folder; made if it is not there; say it with --data,"),
    (["get", "DATA", "Account", "1", "--jsn"], "unknown: --jsn; did you mean --json? `mmsb get --help` shows how"),
    (["get", "DATA", "Account", "1", "--qqq=1"], "unknown: --qqq=1; `mmsb get --help` shows how"),
    (["run", "examples.bank", "--partitons=8"], "unknown: --partitons=8; did you mean --partitions?"),
    (["get", "DATA", "Acount", "1"], "there is no page 'Acount' here; did you mean 'Account'?"),
    (["get", "DATA", "Account", "ann"], "Account: a key is u64: expected u64, 0 to 18446744073709551615, found 'ann'"),
    (["get", "DATA", "Account", "-1"], "expected u64, 0 to 18446744073709551615, found -1"),
    (["blame", "DATA", "Account", "1", "balanse"], "Account has no field 'balanse'; did you mean 'balance'?"),
    (["history", "DATA", "Account", "1", "--limit", "0"], "argument --limit: expected 1 or more, found 0"),
    (["log", "DATA", "--partition", "7"], "--partition: expected 0 to 0, found 7"),
    (["submit", "DATA"], "expected one intent, as in `mmsb submit DATA Transfer src=1 dst=2 amount=10`"),
    (["submit", "DATA", "Deposit", "account=1", "--timeout", "0"], "--timeout: expected more than 0 seconds, found 0"),
    (["submit", "DATA", "Deposit", "--jsonl", "-"], "or lines with --jsonl FILE, found both"),
    (["submit", "DATA", "--jsonl", "-", "--id", "x"], "--id is for one intent; lines have their own"),
    (["completion", "tcsh"], "invalid choice: 'tcsh'"),
    (["run", "examples.banc:app", "--data", "NEW"], "there is no module 'examples.banc'"),
    (["run", "examples/banc.py", "--data", "NEW"], "examples/banc.py: expected a Python file, found none"),
    (["run", "examples.bank:ap", "--data", "NEW"], "expected an mmsb.App, found nothing; the module has app"),
    (["run", "examples.bank:Account", "--data", "NEW"], "expected an mmsb.App, found a PageClass"),
    (["run", "json", "--data", "NEW"], "json: expected one mmsb.App in this module, and it has none"),
    (["run", "examples.bank", "--partitions", "0"], "--partitions: expected a whole number from 1 to 65536, found '0'"),
    (["run", "examples.bank", "--memory", "12Q"], "a number of bytes, as 512M or 4G, found '12Q'"),
    (["inspect", "README.md"], "README.md: expected a data folder or a segment"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), USAGE, ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_a_wrong_word_is_named_with_the_right_one(ask, folder, tmp_path, given, words, monkeypatch):
    monkeypatch.chdir(ROOT)
    places = {"DATA": folder, "NEW": tmp_path / "new"}

    code, out, err = ask(*(places.get(part, part) for part in given))

    assert (code, out) == (Exit.CALLER, "")
    assert err.startswith("mmsb: ")
    assert words in err
    assert len(err.splitlines()) <= 2


SERVED = [
    (["Transfr", "src=1"], "there is no intent 'Transfr' here; did you mean 'Transfer'?"),
    (["Transfer", "src=1", "dst=2"], "Transfer: missing amount; write `Transfer src=u64 dst=u64 amount=i64`"),
    (["Transfer", "src=1", "dst=2", "amount=ten"], "Transfer.amount: expected i64, "),
    (["Transfer", "src=1", "dst=2", "amunt=1"], "Transfer has no field 'amunt'; did you mean 'amount'?"),
    (["Transfer", "1", "2", "10"], "Transfer: expected field=value, found '1'"),
    (["Open", "account=1", f"owner={'x' * 25}"], "Open.owner: expected at most 24 bytes of UTF-8, found 25"),
    (["Deposit", "account=1", "amount=1", "--actor", ""], "actor: expected text of 1 to "),
]


@pytest.mark.parametrize(("given", "words"), SERVED, ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_what_does_not_fit_is_refused_before_it_is_logged(ask, served, given, words):
    code, out, err = ask("submit", served, *given)

    assert (code, out) == (Exit.CALLER, "")
    assert words in err


def test_a_folder_that_is_not_there_or_not_ours(ask, tmp_path):
    for place, words in ((tmp_path / "none", "found no folder"), (tmp_path, "found no partition in it")):
        code, out, err = ask("get", place, "Account", 1)
        assert (code, out) == (Exit.ENVIRONMENT, "")
        assert words in err
    assert ask("submit", tmp_path, "--jsonl", tmp_path / "none.jsonl")[0] == Exit.ENVIRONMENT


def test_nobody_runs_the_folder(ask, folder):
    code, _, err = ask("submit", folder, "Deposit", "account=1", "amount=1")

    assert code == Exit.ENVIRONMENT
    assert "no process runs this data folder; start one with `mmsb run APP " in err
    assert "--app" in err


def test_the_folder_is_in_use(served):
    done = mmsb("run", "examples.bank:app", "--data", served, "--interpreted")

    assert (done.returncode, done.stdout) == (Exit.CONFLICT, "")
    assert "writes this data folder, and only one may; " in done.stderr


def test_the_same_generation_with_other_code(tmp_path):
    code, data = tmp_path / "bank.py", tmp_path / "data"
    source = (ROOT / "examples" / "bank.py").read_text("utf-8")
    with Owner(data):
        pass
    code.write_text(source.replace("account.moves += 1", "account.moves += 2"))

    refused = mmsb("run", code, "--data", data, "--interpreted")
    with Owner(data, str(code), "--dev") as developing:
        pass
    code.write_text(source)
    gone_back = mmsb("run", code, "--data", data, "--interpreted")

    assert refused.returncode == Exit.CONFLICT
    assert "set generation=2 in mmsb.App" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert developing.ready["generation"] == 2
    assert gone_back.returncode == Exit.CONFLICT
    assert "generation 2 has run here already" in gone_back.stderr
    assert "set generation=3 in mmsb.App" in gone_back.stderr  # what was named has to work


def test_code_that_cannot_work_is_named_with_its_line(tmp_path):
    code = tmp_path / "shop.py"
    code.write_text(
        "import mmsb\n\napp = mmsb.App('shop')\n\n\n@app.page\nclass Item(mmsb.Page):\n    count: mmsb.i64\n"
    )

    done = mmsb("run", code, "--data", tmp_path / "data")

    assert done.returncode == Exit.CALLER
    assert "@app.page(key=u64)" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import mmsb\n\napp = mmsb.App('shop'\n", "shop.py:3: SyntaxError: "),
        ("import mmsb\n\napp = mmsp.App('shop')\n", "shop.py:3: NameError: name 'mmsp' is not defined"),
        ("import mmsb\nimport shops\n", "shop.py:2: ModuleNotFoundError: No module named 'shops'"),
        ("import mmsb\na = mmsb.App('a')\nb = mmsb.App('b')\n", "and it has a, b; name one: "),
    ],
)
def test_code_that_does_not_load_is_no_bug_of_ours(ask, tmp_path, source, words):
    code = tmp_path / "shop.py"
    code.write_text(source)

    done, out, err = ask("run", code, "--data", tmp_path / "data")

    assert (done, out) == (Exit.CALLER, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_disk_that_takes_no_more_ends_the_owner_with_the_cause(tmp_path):
    """A file may grow to 64 KB: what the system says then is not `disk full`, and what follows from it is the same."""
    command = 'ulimit -f 64; exec "$0" -m mmsb run examples.bank:app --interpreted --data "$1" --json'
    owner = subprocess.Popen(
        ["bash", "-c", command, sys.executable, tmp_path / "data"], cwd=ROOT, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert owner.stdout is not None
    assert owner.stdout.readline()
    line = '{"@type": "Open", "account": 1, "owner": "ann"}\n'
    submitted = mmsb("submit", tmp_path / "data", "--jsonl", "-", stdin=line * 2_000)
    _, complained = owner.communicate(timeout=60)

    assert submitted.returncode == Exit.UNKNOWN, submitted.stderr
    assert owner.returncode == Exit.ENVIRONMENT, complained
    assert "File too large" in complained
    assert len(complained.splitlines()) <= 2


def test_a_damaged_log_stops_the_owner_and_says_where(folder, tmp_path):
    data = tmp_path / "data"
    subprocess.run(["cp", "-r", folder, data], check=True)
    path = data / "0" / "tlog" / f"{0:020}.log"
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 1
    path.write_bytes(damaged)

    done = mmsb("run", "examples.bank:app", "--data", data, "--interpreted")

    assert done.returncode == Exit.CORRUPT
    assert str(path) in done.stderr
    assert "good copy" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_an_owner_that_does_not_answer(tmp_path):
    data = tmp_path / "data"
    with Owner(data) as owner:
        owner.process.send_signal(signal.SIGSTOP)
        done = mmsb("get", data, "Account", "1")
        owner.process.send_signal(signal.SIGCONT)

    assert done.returncode == Exit.ENVIRONMENT
    assert "did not answer within 5 s" in done.stderr


def test_a_reader_that_goes_away_is_no_error(folder: Path):
    log = subprocess.Popen(
        [sys.executable, "-m", "mmsb", "log", str(folder), "--json"], cwd=ROOT, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert log.stdout is not None
    log.stdout.close()
    assert log.stderr is not None
    complained = log.stderr.read()
    log.stderr.close()

    assert (log.wait(), complained) == (Exit.CLOSED, b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    done = mmsb("run", "examples.bank:app", "--data", tmp_path / "data", "--interpreted")

    assert done.returncode == Exit.ENVIRONMENT
    assert "name a data folder that this user may write" in done.stderr
