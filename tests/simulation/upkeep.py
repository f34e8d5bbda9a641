"""Checkpoints of a simulated folder: by whom and when they are asked for, and what becomes of home and checkpoints."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mmsb.schemas.classes import layout_of
from mmsb.streams.checkpointing import KEEP_ALL, Keeping
from mmsb.streams.engine import Engine
from mmsb.streams.store.model import ROWS
from tests.simulation import post
from tests.simulation.claims import require
from tests.simulation.clients import GONE, Town
from tests.simulation.disk import VirtualFiles
from tests.simulation.kept import listed, rows_of

ASKS = frozenset({layout_of(post.Return).type_id})


@dataclass(frozen=True)
class Upkeep:
    """The same for all processes of a life."""

    keeping: Keeping
    asked: int  # times that somebody asks for a checkpoint, at most, while a process runs
    pause: float  # seconds, on average, before each
    damage: float  # how often a start finds that its home was damaged

    def __repr__(self) -> str:
        trims = "trimmed" if self.keeping.trim else "whole"
        return f"logs {trims}, checkpoints every {self.keeping.every} s and {self.asked} that are asked for"


NONE = Upkeep(KEEP_ALL, 0, 1.0, 0.0)


def draw_upkeep(random: Random) -> Upkeep:
    """Half of all lives know of no checkpoints."""
    if random.random() < 0.5:
        return NONE
    every = random.choice((None, 0.05, 1.0))
    keeping = Keeping(every, random.random() < 0.7, random.choice((frozenset[int](), ASKS)))
    return Upkeep(keeping, random.choice((1, 4, 10)), random.choice((0.01, 0.1)), random.choice((0.0, 0.3)))


class Operator:
    """Asks for checkpoints now and then, while an engine runs."""

    def __init__(self, town: Town, engine: Engine, upkeep: Upkeep, random: Random) -> None:
        self._town = town
        self._engine = engine
        self._upkeep = upkeep
        self._random = random

    async def run(self) -> None:
        try:
            for _ in range(self._random.randint(0, self._upkeep.asked)):
                await asyncio.sleep(self._random.expovariate(1.0) * self._upkeep.pause)
                await self._ask()
        except GONE as error:
            self._town.trace.add(f"operator stops: {type(error).__name__}: {error}")
            require("nothing fails without a reason", self._town.excused, f"operator: {error!r}")

    async def _ask(self) -> None:
        judges = self._town.court.partitions
        before = [judge.released for judge in judges]
        made = await self._engine.checkpoint()
        self._town.trace.add(f"operator has checkpoints of {[each.facts.settled for each in made]}")
        for judge, lower, manifest in zip(judges, before, made, strict=True):
            judge.told_checkpoint(lower, manifest)


def damage(files: VirtualFiles, place: Path, random: Random, *, newest: bool) -> None:
    """Change a byte of a partition's home, and perhaps one of its newest checkpoint as well."""
    paths = [place / "home" / ROWS, *([rows_of(listed(files, place)[0])] if newest else [])]
    for path in paths:
        content = bytearray(files.content(path))
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        files.damage(path, bytes(content))
