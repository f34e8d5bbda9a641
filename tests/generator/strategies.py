"""The generators as Hypothesis strategies: they shrink, because every choice is Hypothesis's."""

from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.generator.bundles import random_bundle
from tests.generator.traffic import random_log, random_settings
from tests.model.batch import Record
from tests.model.bundle import Bundle
from tests.model.machine import Machine, Outcome


def randoms() -> st.SearchStrategy[Random]:
    return st.randoms(use_true_random=False)


def bundles() -> st.SearchStrategy[Bundle]:
    """Descriptions that MMSB must accept."""
    return randoms().map(random_bundle)


@st.composite
def logs(
    draw: st.DrawFn, count: int = 30, bundle: Bundle | None = None
) -> tuple[Bundle, dict[str, Any], list[Record], list[Outcome], Machine]:
    """A bundle, its machine's settings, a log, its outcomes, and the machine after it."""
    rng = draw(randoms())
    chosen = bundle or random_bundle(rng)
    settings = random_settings(rng)
    records, outcomes, machine = random_log(rng, chosen, count, **settings)
    return chosen, settings, records, outcomes, machine


def seeds() -> st.SearchStrategy[int]:
    """For a seeded `random.Random`: faster to draw, shrinks less."""
    return st.integers(0, 2**32 - 1)
