"""Any interleaving of claims, blocks, doubles and zombies folds to what the model says, and writers believe it."""

import pytest

from tests.proof.interleavings import check_interleaving

SEEDS_KEPT = (
    201,  # a duplicate of nothing earlier
    1088,  # a claim with hops_max 0
    1356,  # a rename to the same name
)


@pytest.mark.parametrize("seed", SEEDS_KEPT)
def test_interleavings_that_failed_once_agree(seed: int) -> None:
    check_interleaving(seed)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_every_interleaving_folds_to_what_the_model_says(start: int) -> None:
    for seed in range(start, start + 50):
        check_interleaving(seed)
