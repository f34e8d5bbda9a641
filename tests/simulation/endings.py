"""What ends a life: an older release starts, then the disk turns out to have lied. Neither must go well."""

from typing import TYPE_CHECKING

from mmsb.schemas.errors import CorruptState, GenerationConflict
from mmsb.schemas.tlog.claims import Durability
from tests.simulation.apps import SimApp
from tests.simulation.cells import LIED
from tests.simulation.claims import require
from tests.simulation.watch import Watch
from tests.simulation.world import SimWorld

if TYPE_CHECKING:
    from tests.simulation.life import Life


def go_back(life: "Life") -> None:
    """Start the release before: it knows neither these pages nor what else has changed."""
    number, releases = life.upgrades.number, life.upgrades.releases
    if number:
        watches = [Watch(life.files, life.folder / str(judge.number), durable=False) for judge in life.court.partitions]
        before = [watch.ends for watch in watches]
        life.files = life.files.killed()
        world = life.world(life.files)
        try:
            world.loop.run_until_complete(_open_only(life, world, releases[number - 1].app))
        except GenerationConflict as error:
            life.trace.add(f"it stops: {error}")
        else:
            require("an older release is refused", False, f"release {number} started")
        finally:
            world.end()
        require("an older release is refused", before == [watch.ends for watch in watches], "it wrote")


def lie(life: "Life") -> None:
    """A disk that loses what it called durable: nothing can go on from there."""
    settled = [judge.number for judge in life.court.partitions if judge.released >= 0]
    if life.durabilities != (Durability.FSYNC,) or not settled:
        return
    life.trace.add("=== the disk lied")
    files = life.files.killed()
    folder = life.folder / str(life.random.choice(settled)) / "intents"
    path = folder / max(name for name in files.names(folder) if name.endswith(".log"))
    content = files.content(path)
    files.damage(path, content[: life.random.randrange(len(content))])
    world = life.world(files)
    try:
        world.loop.run_until_complete(_open_only(life, world))
    except CorruptState as error:
        life.trace.add(f"it stops: {error}")
        life.cells[LIED] += 1
    else:
        require("it stops where the disk has lied", False, f"it started on {path}, which had been cut")
    finally:
        world.end()


async def _open_only(life: "Life", world: SimWorld, app: SimApp | None = None) -> None:
    async with life.engine(world, app):
        """It should not come so far."""
