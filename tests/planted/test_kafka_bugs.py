"""Check the simulation behind Kafka: each planted bug breaks the claim that it should, in some seed or test."""

from pathlib import Path

import pytest

from tests.planted.bugs import Bug
from tests.planted.catcher import CAUGHT, MISSED
from tests.planted.choosing import chosen
from tests.planted.copies import catch, copy_tree, plant
from tests.planted.kafka_bugs import HARMLESS, KAFKA_BUGS, SIMULATE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("bug", chosen(KAFKA_BUGS))
def test_a_planted_bug_breaks_its_claim(bug: Bug, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    plant(bug, tree)
    kind, *given = bug.runs
    done = catch(tree, kind, *([bug.expected] if kind == SIMULATE else []), *given)
    assert done.returncode == CAUGHT, done.stdout[-4000:]
    assert bug.expected in done.stdout


@pytest.mark.campaign
@pytest.mark.parametrize("bug", HARMLESS, ids=lambda bug: bug.name)
def test_of_two_checks_either_suffices(bug: Bug, tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    plant(bug, tree)
    kind, *seeds = bug.runs
    done = catch(tree, kind, bug.expected, *seeds)
    assert done.returncode == MISSED, done.stdout[-4000:]
