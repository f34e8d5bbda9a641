"""Checks what a partition keeps beside its logs: every checkpoint, and the home, each row of it read and digested.

That these rows are also what the TLog says is for whoever folds it (`anchors`, mmsb.streams.past.verifying).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import MmsbError
from mmsb.state.home.restoring import read_meta
from mmsb.streams.checkpoints.bases import CheckpointBases
from mmsb.streams.checkpoints.facts import read_facts
from mmsb.streams.checkpoints.folder import CHECKPOINTS, list_names
from mmsb.streams.checkpoints.manifest import Facts, Manifest
from mmsb.streams.checkpoints.verifying import verify_checkpoint
from mmsb.streams.folder import HOME
from mmsb.streams.homes import DISTRUSTED
from mmsb.streams.log import Durable
from mmsb.streams.past.bases import Bases
from mmsb.streams.past.problems import Problem
from mmsb.streams.past.verifying import Anchor
from mmsb.streams.world import World

TRIES: Final = 5
"""An owner may flush while its home is read, and remove what was merged: then it is read again."""

PASSED_OVER: Final = "no start uses it; once nobody wants to look at it, remove it, and make another: mmsb checkpoint"
SET_ASIDE: Final = "start the owner again: it sets this home aside, and begins with the newest sound checkpoint"


class Kept:
    """Implements mmsb.streams.past.verifying.Beside."""

    def __init__(self, world: World, partition: Path) -> None:
        self._world = world
        self._partition = partition
        self._sound: list[Manifest] = []
        self.anchors: list[Anchor] = []
        self.bases: Bases = _SoundBases(world, partition, self._sound)

    def check(self) -> Iterator[Problem]:
        for name in list_names(self._world.files, self._partition):
            yield from self._check_checkpoint(self._partition / CHECKPOINTS / name)
        yield from self._check_home()

    def _check_checkpoint(self, folder: Path) -> Iterator[Problem]:
        try:
            manifest = verify_checkpoint(self._world, folder)
        except MmsbError as error:
            if self._world.files.exists(folder):  # an owner removes what is surplus
                yield Problem(folder, None, "a sound checkpoint", str(error), PASSED_OVER)
            return
        self._sound.append(manifest)
        self.anchors.append(_anchor(folder, manifest.facts))

    def _check_home(self) -> Iterator[Problem]:
        files, home = self._world.files, self._partition / HOME
        if files.exists(self._partition / DISTRUSTED):
            path = self._partition / DISTRUSTED
            yield Problem(path, None, "a home that told nothing wrong", "this file, which says what it told", SET_ASIDE)
        elif files.exists(home):
            for left in reversed(range(TRIES)):
                names = files.names(home)
                try:
                    facts = self._read(home)
                except MmsbError as error:
                    if left and files.names(home) != names:
                        continue
                    yield Problem(home, None, "rows that are what they say", str(error), SET_ASIDE)
                else:
                    yield from self._note_home(home, facts)
                return

    def _read(self, home: Path) -> Facts | None:
        rows = self._world.open_checkpoint(home)
        try:
            return None if read_meta(rows) is None else read_facts(rows)
        finally:
            rows.close()

    def _note_home(self, home: Path, facts: Facts | None) -> Iterator[Problem]:
        if facts is not None:
            self.anchors.append(_anchor(home, facts))
        elif list_names(self._world.files, self._partition):
            yield Problem(home, None, "rows, since there are checkpoints, which are made of them", "none", SET_ASIDE)


def _anchor(path: Path, facts: Facts) -> Anchor:
    return Anchor(path, Durable(facts.settled + 1, facts.next), facts.accepted_at, facts.head, facts.digest)


class _SoundBases(CheckpointBases):
    """Only of checkpoints that were found sound."""

    def __init__(self, world: World, partition: Path, sound: list[Manifest]) -> None:
        super().__init__(world, partition)
        self._sound = sound

    def _manifests(self) -> list[Manifest]:
        return self._sound
