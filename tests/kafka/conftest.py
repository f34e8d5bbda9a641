"""These suites need Apache Kafka's own programs. Where those are missing they are skipped, or fail if required."""

import pytest

from tests.kafka.programs import REQUIRED, is_required, missing


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    why = missing()
    if why is None:
        return
    if is_required():
        pytest.fail(f"{why}; {REQUIRED}=1 requires them here")
    pytest.skip(f"not run: {why}")
