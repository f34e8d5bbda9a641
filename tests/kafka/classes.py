"""Keeps what Java makes of Kafka's classes: a broker then starts in half the processor time.

`python -m tests.kafka.classes` starts one broker for it, which ends in order. Whoever fetches other programs removes
what is kept of these.
"""

import os
import tempfile
from pathlib import Path

from tests.kafka.cluster import running_cluster
from tests.kafka.programs import CLASSES, missing


def keep() -> None:
    new = CLASSES.with_suffix(".new")
    os.environ["JDK_JAVA_OPTIONS"] = f"-XX:ArchiveClassesAtExit={new}"
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder) / "kafka") as cluster:
        cluster.nodes[0].stop()
    new.replace(CLASSES)


if __name__ == "__main__" and missing() is None and not CLASSES.exists():
    keep()
