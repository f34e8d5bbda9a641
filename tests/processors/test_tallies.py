"""Counts by type say what counting the rows of an outcome says."""

from collections import Counter

import pytest

from mmsb.processors.receipts import receipts_of
from mmsb.processors.tallies import tally
from mmsb.schemas.statuses import Status
from tests.processors.test_receipts import SEEDS, settled
from tests.proof.agreement import make_case


@pytest.mark.parametrize("cut", [1, 9])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_tally_counts_what_the_rows_say(seed, cut):
    """Where all are of one type, as in a block of one, they are counted another way."""
    seen = set[Status]()
    for _, outcome in settled(make_case(seed, 60), cut):
        found = tally(outcome, receipts_of(outcome))
        rows = outcome.outcomes
        assert found.settled == Counter((row.type_id, row.status) for row in rows)
        assert found.rejected == Counter((row.type_id, row.rejection.code) for row in rows if row.rejection)
        seen |= {row.status for row in rows}
    assert {Status.APPLIED, Status.REJECTED} <= seen
