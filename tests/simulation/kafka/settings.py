"""What all processes of a simulated life behind Kafka have in common."""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.simulation.apps import Bank, Post, SimApp

FOLDER: Final = Path("/data")
INDEX_BYTES: Final = 16_500  # of a page type with few pages


@dataclass(frozen=True, repr=False)
class Settings:
    app: SimApp
    partitions: int
    window: int
    segment_bytes: int
    flush_seconds: float
    flush_log_bytes: int
    memory: int  # of each partition
    machines: int
    standbys: bool  # whether all partitions are followed everywhere

    def __repr__(self) -> str:
        limits = f"window={self.window}, segments of {self.segment_bytes}, {self.memory} bytes of memory"
        home = f"flushes after {self.flush_seconds} s or {self.flush_log_bytes} bytes"
        machines = f"{self.machines} machines{' that follow all' if self.standbys else ''}"
        return f"{self.name}, partitions={self.partitions}, {limits}, {home}, {machines}"

    @property
    def name(self) -> str:
        return self.app.bundle.app

    @property
    def intents(self) -> str:
        return f"{self.name}.intents"

    @property
    def tlog(self) -> str:
        return f"{self.name}.tlog"


def draw_settings(random: Random) -> Settings:
    app: SimApp = random.choice((Bank(), Post(), Post()))
    return Settings(
        app,
        partitions=random.choice((1, 2, 3)) if isinstance(app, Post) else 1,
        window=random.choice((4, 64, 4096)),
        segment_bytes=random.choice((1500, 6000, 2**30)),
        flush_seconds=random.choice((0.2, 5.0)),
        flush_log_bytes=random.choice((500, 5_000, 256 << 20)),
        memory=random.choice((0, 300, INDEX_BYTES + 100, 64 << 20)),
        machines=random.choice((1, 2, 2, 3)),
        standbys=random.random() < 0.6,
    )
