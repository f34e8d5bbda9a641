"""Random applications, random logs, hostile records: machine, writer, fold and the independent model agree.

`python -m tests.proof.campaign 0 100000` runs more seeds. A seed that ever failed is in SEEDS_KEPT for ever.
"""

import pytest

from tests.proof.agreement import check_seed

SEEDS = range(0, 150, 25)
SEEDS_MORE = range(150, 300, 25)
SEEDS_LONG = range(9000, 9006)
SEEDS_KEPT = (
    5,  # an upsert may add any i64 to a narrower field
    12,  # an unknown type id is shown as one, however small
    16,  # canonical JSON writes control characters as Python does
    149,  # the negation of a constant may overflow
    223,  # a delta's mask is looked at before its payload's size
    241,  # half a surrogate pair before a broken escape
    913,  # the components of a key are evaluated before any is stored
    1156,  # times 2^63 milliseconds apart do not fit into one batch
)


@pytest.mark.parametrize("seed", SEEDS_KEPT)
def test_seeds_that_failed_once_agree(seed: int) -> None:
    check_seed(seed)


@pytest.mark.guards(5)
@pytest.mark.parametrize("start", [*SEEDS, *(pytest.param(start, marks=pytest.mark.campaign) for start in SEEDS_MORE)])
def test_machine_fold_and_model_agree_whatever_the_batch_size(start: int) -> None:
    for seed in range(start, start + 25):
        check_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [*SEEDS_LONG[:3], *(pytest.param(seed, marks=pytest.mark.campaign) for seed in SEEDS_LONG[3:])]
)
def test_long_logs_agree(seed: int) -> None:
    check_seed(seed, count=1500, cuts=(7, 8192))
