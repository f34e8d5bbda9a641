"""The clients of examples/clients, run as their page says, and repeats in a topic for them to pass over."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition  # pyright: ignore[reportMissingTypeStubs]

from tests.docs.pages import blocks_of, commands_of
from tests.kafka.cluster import DIE_WITH_PARENT
from tests.kafka.programs import JVM, REQUIRED, is_required
from tests.kafka.working import WAIT_S, Order
from tests.project.tree import ROOT

FOLDER: Final = ROOT / "examples" / "clients"
SALARIES: Final = FOLDER / "salaries.txt"
BUILD_S: Final = 300
ENVIRONMENT: Final = {**os.environ, "JDK_JAVA_OPTIONS": " ".join(JVM)}


@dataclass(frozen=True)
class Client:
    """The commands of its section, for another broker and application."""

    commands: list[str]

    def pay(self, run: str, *, like: str, salaries: Path = SALARIES) -> str:
        """As the page does for the run that it shows; gives what it said."""
        [line] = [each for each in self.commands if f" pay {like} " in each]
        line = line.replace(f" pay {like} ", f" pay {run} ").replace(str(SALARIES.relative_to(ROOT)), str(salaries))
        done = subprocess.run(
            line, shell=True, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=WAIT_S
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def watching(self, output: str, folder: Path) -> Generator[Path]:
        """A file of what it prints."""
        [line] = [each for each in self.commands if each.endswith(f" watch {output}")]
        path = folder / output
        folder.mkdir(exist_ok=True)
        with path.open("wb") as printed, path.with_suffix(".errors").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, *line.split()],
                cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=printed, stderr=errors,
            )  # fmt: skip
        try:
            yield path
            assert process.poll() is None, f"it ended: {path.with_suffix('.errors').read_text()}"
        finally:
            process.kill()
            process.wait()


def built(language: str, order: Order) -> Client:
    """Or the test is skipped; where Kafka's programs are required, so are these."""
    done = subprocess.run([FOLDER / "build", language], capture_output=True, text=True, check=False, timeout=BUILD_S)
    if done.returncode:
        if is_required():
            pytest.fail(f"{done.stderr}; {REQUIRED}=1 requires it here")
        pytest.skip(f"not run: {done.stderr.splitlines()[-1]}")
    page = (FOLDER / "README.md").read_text("utf-8")
    lines = [command.line for block in blocks_of(page) if block.kind == "console" for command in commands_of(block)]
    server = order.url.removeprefix("kafka://")
    mine = [line for line in lines if f".cache/clients/{language}/" in line]
    return Client([line.replace(" localhost:9092 bank ", f" {server} {order.name} ") for line in mine])


def repeat(order: Order, output: str, partitions: int) -> int:
    """Append what an output topic has once more, as a publisher that never heard of its appends; gives how many."""
    server, topic = order.url.removeprefix("kafka://"), f"{order.name}.{output}"
    consumer = Consumer({"bootstrap.servers": server, "group.id": "repeating", "enable.auto.commit": False})
    producer = Producer({"bootstrap.servers": server})
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)]
    count = sum(consumer.get_watermark_offsets(place, WAIT_S)[1] for place in places)
    consumer.assign(places)
    records: list[Any] = []
    while len(records) < count:
        record = consumer.poll(WAIT_S)
        assert record is not None, f"{len(records)} of {count}"
        assert record.error() is None, record.error()
        records.append(record)
    consumer.close()
    for each in records:
        producer.produce(topic, each.value(), each.key(), each.partition(), headers=each.headers())
    assert producer.flush(WAIT_S) == 0
    return count
