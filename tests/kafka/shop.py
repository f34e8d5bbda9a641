"""A worker of the bank as another process, and its topics as any program sees them."""

import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition  # pyright: ignore[reportMissingTypeStubs]

from tests.cli.running import Owner
from tests.kafka.naming import new_bank
from tests.kafka.working import WAIT_S


class Shop:
    """The bank under a name of its own, and the topics that it has."""

    def __init__(self, url: str, folder: Path) -> None:
        self.module: Any = new_bank(folder)
        self.name: str = self.module.app.name
        self.url = url
        self.topics = f"{url}/{self.name}"
        self.code = str(folder / f"{self.name}.py")
        self.data = folder / "worker"
        self.servers = url.removeprefix("kafka://")

    def worker(self, partitions: int, events: str = "json") -> Owner:
        options = ("--log", self.url, "--partitions", str(partitions), "--events", events)
        return Owner(self.data, self.code, *options)

    def read(self, topic: str, partition: int, offset: int, count: int = 1) -> list[Message]:
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": uuid.uuid4().hex})
        try:
            consumer.assign([TopicPartition(f"{self.name}.{topic}", partition, offset)])
            found = consumer.consume(count, WAIT_S)
        finally:
            consumer.close()
        assert len(found) == count, f"{topic}/{partition} at {offset}"
        assert not any(message.error() for message in found)
        return found
