"""Check the simulation: each bug planted into the engine breaks the claim that it should, in some seed."""

from pathlib import Path

import pytest

from tests.planted.bugs import Bug
from tests.planted.catcher import CAUGHT, MISSED
from tests.planted.choosing import chosen
from tests.planted.copies import catch, copy_tree, plant
from tests.planted.engine_bugs import ENGINE_BUGS
from tests.planted.upkeep_bugs import UPKEEP_BUGS

pytestmark = pytest.mark.slow

ANY_CLAIM = "["
BUGS = (*ENGINE_BUGS, *UPKEEP_BUGS)


@pytest.mark.parametrize("bug", chosen(BUGS))
def test_a_planted_bug_breaks_its_claim(bug: Bug, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    plant(bug, tree)
    kind, *seeds = bug.runs
    done = catch(tree, kind, bug.expected, *seeds)
    assert done.returncode == CAUGHT, done.stdout[-4000:]


def test_the_undamaged_engine_breaks_none(tmp_path: Path) -> None:
    done = catch(copy_tree(tmp_path), "simulate", ANY_CLAIM, "0", "10")
    assert done.returncode == MISSED, done.stdout[-4000:]


def test_there_are_enough_bugs_and_no_two_are_called_the_same() -> None:
    names = [bug.name for bug in BUGS]
    assert len(names) == len(set(names)) >= 10
