"""Damaged copies of valid bytes: every decoder says what the model's says."""

from collections import Counter

import pytest

from tests.proof.decoders import check_decoders

FORMATS = ("batch", "json", "metadata", "envelope", "genesis", "bucket")
EACH = 200


def check_formats(found: Counter[str], fewest: int) -> None:
    expected = {f"{name} {verdict}" for name in FORMATS for verdict in ("accepted", "refused")}
    assert {name for name in expected if found[name] < fewest} == set(), found


def test_damaged_bytes_mean_the_same_or_nothing() -> None:
    found: Counter[str] = Counter()
    for seed in range(6):
        found += check_decoders(seed, EACH)
    check_formats(found, 50)


@pytest.mark.slow
@pytest.mark.parametrize("start", [100, *(pytest.param(at, marks=pytest.mark.campaign) for at in (115, 130, 145))])
def test_much_more_damage_means_the_same_or_nothing(start: int) -> None:
    found: Counter[str] = Counter()
    for seed in range(start, start + 15):
        found += check_decoders(seed, EACH)
    check_formats(found, 200)
