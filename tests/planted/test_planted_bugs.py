"""Check the checker: each planted bug is caught by the assertion that was made for it, not by a crash or a time-out."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.planted.bugs import BUGS as PLAIN_BUGS
from tests.planted.bugs import Bug
from tests.planted.catcher import CAUGHT, CRASHED, MISSED
from tests.planted.choosing import IN_EACH, chosen
from tests.planted.compiled_bugs import COMPILED_BUGS
from tests.planted.copies import ROOT, catch, copy_tree, plant

pytestmark = pytest.mark.slow

BUGS = PLAIN_BUGS + COMPILED_BUGS


@pytest.mark.parametrize("bugs", [BUGS[::IN_EACH], pytest.param(BUGS, marks=pytest.mark.campaign)], ids=["some", "all"])
@pytest.mark.parametrize("kind", sorted({bug.runs[0] for bug in BUGS}))
def test_the_undamaged_copy_passes_all_that_catches_bugs(kind: str, bugs: Sequence[Bug], tmp_path: Path) -> None:
    given = [argument for bug in bugs if bug.runs[0] == kind for argument in bug.runs[1:]]
    assert given, "each kind of run is among those of `make test`"
    done = catch(copy_tree(tmp_path), kind, *given)
    assert done.returncode == MISSED, done.stdout[-4000:]


@pytest.mark.parametrize("bug", chosen(BUGS))
def test_a_planted_bug_is_caught_by_name(bug: Bug, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    plant(bug, tree)
    done = catch(tree, *bug.runs)
    assert done.returncode == CAUGHT, done.stdout[-4000:]
    found = done.stdout[done.stdout.rindex("\ncaught: ") :] if "\ncaught: " in done.stdout else done.stdout
    assert bug.expected in found, done.stdout[-4000:]


def test_a_crash_is_not_a_catch(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    crash = Bug("a crash", "state/window.py", "        self._first[id] = offset\n", "        1 / 0\n", (), "", "")
    plant(crash, tree)
    assert catch(tree, "agree", "0", "9").returncode == CRASHED


def test_the_code_of_another_tree_is_noticed(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    (tree / "src").rename(tree / "hidden")
    (tree / "src").symlink_to(ROOT / "src")
    done = catch(tree, "agree", "0", "1")
    assert done.returncode not in (MISSED, CAUGHT)
    assert "not of" in done.stdout


def test_there_are_enough_bugs_and_no_two_are_called_the_same() -> None:
    names = [bug.name for bug in BUGS]
    assert len(names) == len(set(names)) >= 20
    assert len(COMPILED_BUGS) >= 12
