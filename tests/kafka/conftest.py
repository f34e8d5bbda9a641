"""Brokers, and Apache Kafka's own programs. Where those are missing, tests that need them are skipped, or fail if
they are required."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.cluster import Cluster, running_cluster
from tests.kafka.programs import REQUIRED, is_required, missing
from tests.kafka.sharing import shared_broker


@pytest.fixture(scope="session")
def programs() -> None:
    why = missing()
    if why is None:
        return
    if is_required():
        pytest.fail(f"{why}; {REQUIRED}=1 requires them here")
    pytest.skip(f"not run: {why}")


@pytest.fixture(scope="session")
def kafka_url(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that all tests share: make topics and groups of your own, and leave the broker alone."""
    folder = tmp_path_factory.getbasetemp()
    if folder.name.startswith("popen-"):
        folder = folder.parent  # that of all processes of pytest-xdist
    with shared_broker(folder / "kafka") as url:
        yield url


@pytest.fixture
def own_kafka(programs: None, tmp_path: Path) -> Iterator[Cluster]:
    """A broker to kill, freeze and restart; it takes two seconds to start."""
    with running_cluster(tmp_path / "kafka") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def _three_brokers(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("three"), nodes=3) as cluster:
        yield cluster


@pytest.fixture
def three_brokers(_three_brokers: Cluster) -> Cluster:
    """Each keeps everything, and two of them suffice. All are up again for each test, whatever one did to them."""
    for node in _three_brokers.nodes:
        if node.is_running:
            node.resume()
        else:
            node.start()
    _three_brokers.wait()
    return _three_brokers
