"""`way` runs a test interpreted, and compiled as well where that is cheap: see tests.proof.ways."""

import pytest

from tests.proof.ways import Way, ways


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found
