"""How many a second, over the last seconds."""

from collections import deque
from typing import Final

from mmsb.streams.world import World

SECONDS: Final = 5.0


class Rate:
    """Counts what is added; forgets what is older than SECONDS."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._started = world.seconds()
        self._counts: deque[tuple[int, int]] = deque()  # tenths of a second, and how many in each

    def add(self, count: int) -> None:
        tenth = int(self._world.seconds() * 10)
        if self._counts and self._counts[-1][0] == tenth:
            count += self._counts.pop()[1]
        self._counts.append((tenth, count))
        self._forget(tenth)

    @property
    def per_second(self) -> float:
        now = self._world.seconds()
        self._forget(int(now * 10))
        return sum(count for _, count in self._counts) / max(min(SECONDS, now - self._started), 0.1)

    def _forget(self, tenth: int) -> None:
        while self._counts and self._counts[0][0] < tenth - SECONDS * 10:
            self._counts.popleft()
