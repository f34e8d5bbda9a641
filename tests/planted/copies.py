"""Copies of the whole tree, as git would take it, and runs in them that see nothing of the original."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.planted.bugs import Bug

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300


def copy_tree(destination: Path) -> Path:
    """Everything tracked, and what is new and not ignored; symlinks stay symlinks, and no cache comes along."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, destination / name
        if source.is_symlink() or source.is_file():  # a file that was just deleted is still listed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return destination


def plant(bug: Bug, tree: Path) -> None:
    path = tree / bug.file
    text = path.read_text()
    assert text.count(bug.old) == 1, f"{bug.file}: expected {bug.old!r} once, found it {text.count(bug.old)} times"
    assert bug.old != bug.new
    path.write_text(text.replace(bug.old, bug.new))


def catch(tree: Path, *runs: str) -> subprocess.CompletedProcess[str]:
    """Run tests.planted.catcher in the copy, with the copy's code; both outputs are in `stdout`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-m", "tests.planted.catcher", *runs],
        cwd=tree,
        env={**env, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
