"""A million fuzzed deltas: the same status at the same position as the model says, and no byte moves.

`make test` takes 160,000 of them, in which every status is met hundreds of times; `make test-more` the others.
"""

from collections import Counter

import pytest

from tests.model.constants import DELTA_STATUSES
from tests.proof.deltas import check_bad_deltas

EACH = 20_000
SLOW = range(1, 50)


def test_bad_deltas_are_judged_as_the_model_judges_them() -> None:
    found = check_bad_deltas(0, EACH)
    assert {name for name in DELTA_STATUSES if found[name] < 20} == set(), found


@pytest.mark.slow
@pytest.mark.parametrize("start", [SLOW[0], *(pytest.param(at, marks=pytest.mark.campaign) for at in SLOW[7::7])])
def test_a_million_bad_deltas_are_judged_as_the_model_judges_them(start: int) -> None:
    found: Counter[str] = Counter()
    for seed in range(start, start + 7):
        found += check_bad_deltas(seed, EACH)
    assert {name for name in DELTA_STATUSES if found[name] < 200} == set(), found
