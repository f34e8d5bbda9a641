"""The shipped engine in a simulated world: whatever fails and crashes, what was told is true, and all ends well."""

import pytest

from tests.simulation.campaign import SEEDS_MAX, kept, reach, run_seeds
from tests.simulation.cells import BEGUN_AT_STORE, CELLS, EVICTED
from tests.simulation.life import Life

SEEDS = 60


def test_seeds_that_failed_once_pass() -> None:
    run_seeds(kept())


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, pytest.param(SEEDS_MAX, marks=pytest.mark.campaign)])
def test_what_is_told_holds_and_every_cell_of_the_crash_matrix_is_reached(first: int) -> None:
    reached = reach(CELLS, first, SEEDS)
    assert reached[BEGUN_AT_STORE] > SEEDS
    assert reached[EVICTED] > SEEDS // 10


def test_a_seed_repeats_itself() -> None:
    first, again = Life(3), Life(3)
    first.run()
    again.run()
    assert first.trace.lines == again.trace.lines
