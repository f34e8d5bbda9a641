"""Any interleaving of claims, blocks, doubles and zombies folds to what the model says, and writers believe it."""

from collections import Counter

import pytest

from tests.proof.interleavings import check_interleaving

# What must have happened at least once in every batch of seeds.
EXPECTED = (
    "block accepted",
    "block discarded",
    "claim accepted",
    "claim discarded",
    "migrate accepted",
    "quarantine accepted",
    "superseded",
    "lost",
    "forged accepted",
    "forged discarded",
    "forged stopped",
)


@pytest.mark.parametrize(
    "start", [0, 50, 100, *(pytest.param(start, marks=pytest.mark.campaign) for start in (150, 200, 250))]
)
def test_every_interleaving_folds_to_what_the_model_says(start: int) -> None:
    found: Counter[str] = Counter()
    for seed in range(start, start + 50):
        found += check_interleaving(seed)
    assert {name for name in EXPECTED if not found[name]} == set(), found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(9000, 9010))
def test_long_interleavings_fold_to_what_the_model_says(seed: int) -> None:
    check_interleaving(seed, steps=600)
