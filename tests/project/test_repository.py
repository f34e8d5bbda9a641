"""Rules about the repository's own files: the lock, the Makefile, and nothing of one machine in any."""

import re

import pytest

from tests.project.tree import ROOT, run

# Put together here, so that this file does not match itself.
FOLDERS_OF_ONE_MACHINE = [f"/{name}/" for name in ("work", "root")]


LOCKS = ("requirements.lock", "deploy/requirements.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_hashes_every_package_and_names_no_host_and_no_path(name):
    lock = (ROOT / name).read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z].*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", lock, re.MULTILINE)
    names = [re.match(r"[a-z0-9.-]+==", pin) for pin in pins]

    assert len(pins) == len(re.findall(r"^\S+==", lock, re.MULTILINE)) > 0
    assert None not in names
    assert re.findall(r"://|@|^\s*-[a-z-]*(?:index|find|host)|\s/\S|file:", lock, re.MULTILINE) == []


def test_what_is_deployed_is_what_was_tested():
    tested, deployed = (
        set(re.findall(r"^[a-z0-9.-]+==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)) for name in LOCKS
    )

    assert deployed < tested


def test_make_lists_every_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    commands = {name for line in phony for name in line.split()}

    listed = run("make", "--no-print-directory", cwd=ROOT, env={"MAKEFLAGS": ""}).stdout.splitlines()

    assert {line.split()[1] for line in listed} == commands
    assert all(len(line.split()) > 2 for line in listed)


def test_setup_refuses_an_old_python_and_says_what_to_do(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho \"$2\" | sed 's/v = sys.version_info;/v = (3, 10);/' | exec python3 -\n")
    old.chmod(0o755)
    make = ("make", "--no-print-directory", "-f", ROOT / "Makefile", "setup")
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()

    refused = run(*make, f"PYTHON={old}", cwd=tmp_path, env={"MAKEFLAGS": ""})
    absent = run(*make, "PYTHON=python-that-is-not-there", cwd=tmp_path, env={"MAKEFLAGS": ""})

    assert "needs Python 3.11 or newer" in refused.stdout
    assert "is 3.10" in refused.stdout
    assert "make setup PYTHON=" in absent.stdout
    assert 0 not in (refused.returncode, absent.returncode)
    assert not (tmp_path / ".venv").exists()


def test_no_committed_file_names_a_folder_of_one_machine():
    listing = run("git", "ls-files", "-z", cwd=ROOT)
    if listing.returncode != 0:
        pytest.skip("not a git checkout, so nothing is committed here")
    needles = [needle.encode() for needle in FOLDERS_OF_ONE_MACHINE]

    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    found = [
        (str(file.relative_to(ROOT)), needle.decode())
        for file in files
        if file.is_file() and not file.is_symlink()
        for needle in needles
        if needle in file.read_bytes()
    ]

    assert files
    assert found == []
