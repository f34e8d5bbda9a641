"""Claims, blocks, quarantines and migrations that no writer wrote: both folds say the same of each."""

from collections import Counter

import pytest

from tests.proof.forgeries import check_forgeries
from tests.proof.ways import FOLDED, INTERPRETED, Way

EACH = 12


def check_kinds(found: Counter[str]) -> None:
    kinds = ("claim", "block", "quarantine", "migrate")
    assert {kind for kind in kinds if not found[f"{kind} stopped"]} == set(), found
    assert {kind for kind in kinds[:3] if not found[f"{kind} accepted"]} == set(), found


@pytest.mark.parametrize("way", [INTERPRETED, FOLDED], ids=["interpreted", "folded by compiled code"])
def test_forged_records_are_judged_alike(way: Way) -> None:
    found: Counter[str] = Counter()
    for seed in range(10):
        found += check_forgeries(seed, EACH, way)
    check_kinds(found)


# Why both folds stopped: each must have been reached, whoever it is that forges.
STOPS = (
    "a clock that does not rise",
    "a duplicate of nothing earlier",
    "a lone surrogate",
    "an intent type not known",
    "metadata of version 2",
    "the clock afterwards",
    "the digest afterwards",
    "type ids",
)


@pytest.mark.slow
@pytest.mark.parametrize("way", [INTERPRETED, FOLDED], ids=["interpreted", "folded by compiled code"])
@pytest.mark.parametrize("start", [100, *(pytest.param(at, marks=pytest.mark.campaign) for at in (115, 130, 145))])
def test_many_forged_records_are_judged_alike(start: int, way: Way) -> None:
    found: Counter[str] = Counter()
    for seed in range(start, start + 15):
        found += check_forgeries(seed, EACH, way)
    check_kinds(found)
    assert {why for why in STOPS if not found[f"stop: {why}"]} == set(), found
