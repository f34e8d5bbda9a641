"""What a cluster does to those who use it, drawn from a seed: how late, how often lost, how often twice."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

DELAYS: Final = (0.0005, 0.005, 0.05)  # mean seconds of what is quick
LONG: Final = (0.5, 5.0, 30.0)  # and of what is not


@dataclass
class Weather:
    """`calm` when nothing goes wrong any more."""

    random: Random = field(repr=False)
    delay: float  # mean seconds that a request or an answer takes
    long: float  # the same, now and then
    often_late: float
    lost_before: float  # appends that never arrive
    lost_after: float  # acknowledgements that never arrive
    twice: float  # appends that arrive twice
    deaf: float  # fetches that hear nothing for a while
    notes_lost: float  # of committed offsets

    def wait(self) -> float:
        """Seconds until a request is where it goes to."""
        if self.random.random() < self.often_late:
            return self.random.expovariate(1.0) * self.long
        return 0.0 if self.random.random() < 0.4 else self.random.expovariate(1.0) * self.delay

    def happens(self, share: float) -> bool:
        return self.random.random() < share

    def calm(self) -> None:
        self.often_late = self.lost_before = self.lost_after = self.twice = self.deaf = self.notes_lost = 0.0


def draw_weather(random: Random) -> Weather:
    bad = random.choice((0.0, 0.02, 0.1, 0.3))
    shares = [bad * random.choice((0.0, 0.5, 1.0)) for _ in range(6)]
    return Weather(random, random.choice(DELAYS), random.choice(LONG), *shares)
