"""Check the simulation: each bug planted into the engine breaks the claim that it should, in some seed."""

from pathlib import Path
from typing import Any

import pytest

from tests.planted.bugs import Bug
from tests.planted.catcher import CAUGHT, MISSED
from tests.planted.copies import catch, copy_tree, plant
from tests.planted.engine_bugs import ENGINE_BUGS

pytestmark = pytest.mark.slow

ANY_CLAIM = "["
IN_EACH_RUN = 3  # of so many bugs one is planted by `make test`; all of them by `make planted`


def _chosen(number: int, bug: Bug) -> Any:
    marks = [] if number % IN_EACH_RUN == 0 else [pytest.mark.campaign]
    return pytest.param(bug, id=bug.name, marks=marks)


@pytest.mark.parametrize("bug", [_chosen(number, bug) for number, bug in enumerate(ENGINE_BUGS)])
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
    names = [bug.name for bug in ENGINE_BUGS]
    assert len(names) == len(set(names)) >= 10
