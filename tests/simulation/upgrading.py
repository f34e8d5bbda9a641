"""Releases that come at restarts, and crashes around what they make of the pages that they find."""

from collections.abc import Sequence
from random import Random

from tests.simulation.apps import Post, SimApp
from tests.simulation.loop import Crash
from tests.simulation.releases import POSTS, Release
from tests.simulation.world import SimFiles


class Upgrades:
    """What a life runs, from the first release on."""

    def __init__(self, app: SimApp, seed: int) -> None:
        self._random = Random(f"releases {seed}")
        known = isinstance(app, Post) and self._random.random() < 0.75
        self.releases: Sequence[Release] = POSTS if known else [Release(app)]
        self.number = 0  # of the one that runs
        self._begun = False
        self._entries_left = -1  # to be appended at a start before the process crashes; -1: all

    @property
    def app(self) -> SimApp:
        return self.releases[self.number].app

    def come(self) -> bool:
        """Whether the next process, and all that follow, run a later release; the first one runs the first."""
        first, self._begun = not self._begun, True
        self._entries_left = -1
        later = len(self.releases) - 1 - self.number
        if first or not later or self._random.random() < 0.5:
            return False
        self.number += self._random.randint(1, later)
        return True

    def arm(self, files: SimFiles, partitions: int) -> None:
        """Perhaps let the process crash while it claims and migrates its partitions, or a little later."""
        kind = self._random.random()
        if kind < 0.6:
            self._entries_left = self._random.randint(1, 4 * partitions)
        elif kind < 0.8:
            files.crash_on = self._random.choice(("/home/", ""))
            files.operations_left = self._random.randrange(self._random.choice((40, 200)))

    def appends(self, files: SimFiles) -> None:
        """A claim or a migrate record is about to be appended, or was."""
        self._entries_left -= self._entries_left > 0
        if self._entries_left == 0:
            files.trace.add("CRASH while partitions are claimed")
            files.dead = True
            raise Crash
