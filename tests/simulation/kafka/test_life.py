"""The shipped engine over a model of Kafka: whatever fails and crashes, what was told is true, and all ends well."""

import pytest

from tests.simulation.campaign import BEHIND_KAFKA, kept, reach, run_seeds
from tests.simulation.kafka.cells import CELLS
from tests.simulation.kafka.life import KafkaLife

SEEDS = 20
FIRST = 41  # from where few seeds more reach every cell, as the engine is now


def test_seeds_that_failed_once_pass() -> None:
    run_seeds(kept(BEHIND_KAFKA), BEHIND_KAFKA)


@pytest.mark.slow
def test_what_is_told_holds_and_every_cell_of_the_crash_matrix_is_reached() -> None:
    reach(CELLS, FIRST, SEEDS, BEHIND_KAFKA)


def test_a_seed_repeats_itself() -> None:
    first, again = KafkaLife(3), KafkaLife(3)
    first.run()
    again.run()
    assert first.trace.lines == again.trace.lines
