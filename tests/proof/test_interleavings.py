"""Any interleaving of claims, blocks, doubles and zombies folds to what the model says, and writers believe the fold."""

import pytest

from tests.proof.interleavings import check_interleaving

SEEDS_KEPT = ()


@pytest.mark.parametrize("seed", SEEDS_KEPT)
def test_interleavings_that_failed_once_agree(seed: int) -> None:
    check_interleaving(seed)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_every_interleaving_folds_to_what_the_model_says(start: int) -> None:
    for seed in range(start, start + 50):
        check_interleaving(seed)
