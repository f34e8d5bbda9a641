"""What counts as standing still: intents wait, and none settles for a while, in a partition that is owned."""

from types import SimpleNamespace
from typing import Any

import pytest

from mmsb.streams.watching.progress import STILL_SECONDS, Progress
from mmsb.streams.watching.watchable import Seen

LONG = STILL_SECONDS + 1


class Clock:
    """A world of time alone."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def seconds(self) -> float:
        return self.now


class Settling:
    """A partition as far as it is looked at."""

    def __init__(self) -> None:
        self.number, self.waits = 3, False
        self.settled, self.intents = SimpleNamespace(at=-1), SimpleNamespace(end=0)
        self.opened = SimpleNamespace(intents=self.intents)


class Bench:
    """A partition that stands where it is told to, and somebody who looks at it."""

    def __init__(self, owned: bool = True) -> None:
        self.clock, self.owned = Clock(), owned
        self.partition: Any = Settling()
        self.settled, self.intents = self.partition.settled, self.partition.intents
        world: Any = self.clock
        self.progress = Progress(world, lambda: [Seen(self.partition, self.owned, {})])

    def log(self, count: int) -> None:
        self.intents.end += count
        self.partition.waits = True

    def settle(self, count: int) -> None:
        self.settled.at += count
        self.partition.waits = self.settled.at < self.intents.end - 1

    def after(self, seconds: float) -> list[str]:
        """What is said when it was looked at, and once more so much later."""
        self.progress.look()
        self.clock.now += seconds
        return self.progress.why_still()


def test_what_waits_for_long_is_named_with_its_partition_offsets_and_time() -> None:
    bench = Bench()
    bench.log(5)
    bench.settle(2)

    assert bench.after(STILL_SECONDS - 0.1) == []
    assert bench.after(1.4) == ["partition 3: intents 2 to 4 wait, and none has settled for 11.3 s"]


def test_what_is_not_even_logged_waits_too() -> None:
    bench = Bench()
    bench.partition.waits = True

    assert bench.after(LONG) == ["partition 3: intents wait to be logged, and none has settled for 11.0 s"]


def test_an_idle_partition_gets_on() -> None:
    bench = Bench()
    bench.log(1)
    bench.settle(1)

    assert bench.after(LONG) == []
    bench.log(1)
    assert bench.after(0.1) == [], "it came just now"


def test_a_slow_partition_gets_on() -> None:
    bench = Bench()
    bench.log(100)
    for _ in range(50):
        assert bench.after(STILL_SECONDS - 1) == []
        bench.settle(1)
    assert bench.after(LONG) != []


def test_what_settled_since_the_last_look_counts_at_once() -> None:
    bench = Bench()
    bench.log(2)
    assert bench.after(LONG) != []

    bench.settle(1)

    assert bench.progress.why_still() == []
    assert bench.progress.still_seconds(bench.partition) == 0


@pytest.mark.parametrize("owned", [False, True])
def test_only_who_owns_it_has_to_settle(owned: bool) -> None:
    bench = Bench(owned)
    bench.log(1)

    assert bool(bench.after(LONG)) is owned


def test_a_partition_that_went_is_forgotten() -> None:
    bench = Bench()
    bench.log(1)
    bench.after(LONG)
    bench.owned = False
    bench.progress.look()
    bench.owned = True

    assert bench.after(0.1) == []
