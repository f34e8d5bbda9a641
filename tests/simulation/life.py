"""One seed: a few processes after each other on one disk, most of which end badly, then two that are left in peace."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from warnings import catch_warnings, simplefilter

from mmsb.schemas.errors import EnvironmentFailed, FolderInUse, MmsbError
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.home.restoring import read_meta
from mmsb.streams.engine import Engine
from mmsb.streams.engine import Settings as EngineSettings
from mmsb.streams.serving.server import Served
from tests.crash.small import small_home
from tests.simulation.apps import Bank, Post, SimApp
from tests.simulation.cells import (
    BEGUN_AT_STORE,
    EVICTED,
    REFOLDED,
    RESTORED,
    ZOMBIE,
    migrated_from,
    reached,
    reached_on_disk,
)
from tests.simulation.claims import require
from tests.simulation.clients import Town
from tests.simulation.company import Company
from tests.simulation.court import Court
from tests.simulation.endings import go_back, lie
from tests.simulation.kept import facts_in, judge_kept, listed
from tests.simulation.loop import Crash
from tests.simulation.running import heard, lag_of, limit, segments_of, sockets_elsewhere, states
from tests.simulation.stored import judge_homes, rows_in, standing_in
from tests.simulation.upgrading import Upgrades
from tests.simulation.upkeep import NONE, Upkeep, damage, draw_upkeep
from tests.simulation.world import SimFiles, SimWorld, Trace

FOLDER = Path("/data")
INDEX_BYTES = 16_500  # of a page type with few pages
FAULTS = (("sync",), ("write",), ("sync", "write", "create", "sync_folder", "truncate", "remove"), ("read", "open"), ())

PLACES = (
    ("", 100),
    ("", 300),
    ("/mark", 20),
    ("/tlog/", 100),
    ("/intents/", 50),
    ("/home/", 50),
    ("/home/", 10),
)  # where, and how often it goes well
KEEPING = (("/checkpoints/", 60), ("/checkpoints/", 10))  # with checkpoints
DURABILITIES = ((Durability.FSYNC,), (Durability.PROCESS,), (Durability.FSYNC, Durability.PROCESS))


@dataclass(frozen=True)
class Settings:
    """What all processes of a life have in common."""

    app: SimApp
    partitions: int
    window: int
    segment_bytes: int
    in_flight_bytes: int
    flush_seconds: float
    flush_log_bytes: int
    memory: int  # of each partition
    upkeep: Upkeep

    def __repr__(self) -> str:
        limits = f"window={self.window}, segments of {self.segment_bytes}, {self.in_flight_bytes} bytes in flight"
        home = f"flushes after {self.flush_seconds} s or {self.flush_log_bytes} bytes, {self.memory} bytes of memory"
        return f"{self.app.bundle.app}, partitions={self.partitions}, {limits}, {home}, {self.upkeep!r}"


class Life:
    folder = FOLDER

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.later = Random(f"later {seed}")  # of what came later, so that older seeds mean what they did
        app: SimApp = self.random.choice((Bank(), Post(), Post()))
        self.settings = Settings(
            app,
            partitions=self.random.choice((1, 3, 3, 8)) if isinstance(app, Post) else 1,
            window=self.random.choice((4, 64, 4096)),
            segment_bytes=self.random.choice((1500, 6000, 2**30)),
            in_flight_bytes=self.random.choice((1500, 10_000, 64 << 20)),
            flush_seconds=self.random.choice((0.02, 0.2, 5.0)),
            flush_log_bytes=self.random.choice((500, 5_000, 256 << 20)),
            memory=self.random.choice((0, 300, INDEX_BYTES + 100, 64 << 20)),
            upkeep=draw_upkeep(self.later),
        )
        self.trace = Trace()
        self.upgrades = Upgrades(app, seed)
        self.court = Court(self.upgrades.releases, self.settings.partitions, self.settings.window, FOLDER)
        self.town = Town(app, self.court, self.trace, Random(self.random.getrandbits(64)))
        self.files = SimFiles(seed)
        self.files.trace = self.trace
        self.durabilities = self.random.choice(DURABILITIES)
        self.durability = Durability.FSYNC
        self.crash_when_open = self.faulty = False
        self.opened = False
        self.company = Company(self.town, FOLDER, self.random, seed, self.settings.upkeep)
        self.damaged: set[Path] = set()  # partitions and checkpoints
        self.expects: dict[Path, int] = {}  # where partitions with a damaged home go on
        self.cells: Counter[str] = Counter()  # of the crash matrix

    def run(self) -> None:
        """Raises Wrong if the engine does something that it must not; `trace` says how it came to that."""
        settings = self.settings
        with (
            segments_of(settings.segment_bytes),
            sockets_elsewhere(),
            lag_of(self.company.lag()),
            small_home(settings.flush_seconds, settings.flush_log_bytes),
            heard(self._begins, lambda: self.upgrades.appends(self.files), self._trims),
            catch_warnings(),
        ):
            simplefilter("ignore", RuntimeWarning)  # of homes that were damaged, and checkpoints that failed
            for number in range(self.random.randint(1, 5)):
                self._process(f"process {number}", faults=True)
            if self.settings.upkeep.keeping.trim:
                self._process("until logs are trimmed", faults=True, calm=True)
            self._process("in peace", faults=False)
            self._process("once more", faults=False, last=True)
            self.court.finish(self.files)
            go_back(self)
            lie(self)

    def _process(self, name: str, *, faults: bool, calm: bool = False, last: bool = False) -> None:
        """`calm`: nothing goes wrong but at certain moments."""
        random = self.random
        self.durability = random.choice(self.durabilities)
        self.trace.add(f"=== {name}, durability {self.durability.name.lower()}, {self.settings!r}")
        self._damage()
        upgraded = not last and self.upgrades.come()
        if upgraded:
            self.town.app = self.upgrades.app
            self.trace.add(f"release {self.upgrades.number + 1} comes")
        world = self.world(self.files)
        self.opened = self.crash_when_open = False
        self.faulty = faults
        self.town.excused = world.loop.network.cuts = faults
        crash_after = self._inflict() if faults and not calm else None
        if upgraded and faults:
            self.upgrades.arm(self.files, self.settings.partitions)
        self.court.start(self.files, self.durability)
        engine = self.engine(world)
        crashed = power = False
        try:
            if crash_after is not None:
                world.loop.call_later(crash_after, self._crash, world)
            world.loop.run_until_complete(self._main(engine, world, last=last))
        except Crash:
            self.company.outlive(world)
            crashed, power = True, random.random() < (0.7 if self.durability == Durability.PROCESS else 0.6)
        except EnvironmentFailed as error:
            require("it runs on" if self.opened else "it starts again", faults, f"the disk is sound, and: {error}")
            self.trace.add(f"process ends: {error}")
            power = random.random() < 0.2
        except MmsbError as error:
            require("it runs on" if self.opened else "it starts again", False, f"{type(error).__name__}: {error}")
        finally:
            world.end()
        require("nothing fails unseen", not world.loop.unhandled, f"{world.loop.unhandled}")
        before = self.files
        self._after(power=power)
        judge_homes(self.files, FOLDER, self.settings.partitions, self.damaged)
        for place in self.places:
            judge_kept(self.files, place, self.settings.window)
        if crashed:
            self.cells.update(reached(FOLDER, before, self.files, engine) | reached_on_disk(before, self.places))
        uses = [partition.opened.home.use for partition in engine._partitions]
        self.cells[EVICTED] += any(use.evictions and use.misses for use in uses)

    @property
    def places(self) -> list[Path]:
        """The folders of all partitions."""
        return [FOLDER / str(number) for number in range(self.settings.partitions)]

    def _trims(self) -> None:
        """A log is about to lose its front: perhaps let the process crash on the way."""
        if self.faulty and self.files.operations_left < 0 and self.later.random() < 0.5:
            self.files.crash_on, self.files.operations_left = "", self.later.randrange(3, 12)

    def _damage(self) -> None:
        """Let a home have a wrong byte, and once in a life a checkpoint as well."""
        number = self.later.randrange(self.settings.partitions)
        place = FOLDER / str(number)
        if self.later.random() >= self.settings.upkeep.damage or read_meta(rows_in(self.files, place)) is None:
            return
        newest = not self.damaged and len(listed(self.files, place)) > 1 and self.later.random() < 0.5
        self.trace.add(f"the home of partition {number} is damaged{', and its newest checkpoint' if newest else ''}")
        if newest:
            self.damaged.add(listed(self.files, place)[0])
            self.court.partitions[number].harmed = True
        self.damaged.add(place)
        sound = [each for each in listed(self.files, place) if each not in self.damaged]
        self.expects[place] = facts_in(self.files, sound[0]).next if sound else 1
        damage(self.files, place, self.later, newest=newest)

    def _begins(self, partition: int, offset: int) -> None:
        """A partition is opened, whose fold goes on there."""
        place = FOLDER / str(partition)
        standing = standing_in(self.files, place)
        expected = 1 if standing is None else standing.next
        require("a start folds only what came after the store", offset == expected, f"from {offset}, not {expected}")
        self.cells[BEGUN_AT_STORE] += standing is not None
        self.cells[REFOLDED] += migrated_from(self.files, place, offset)
        if place in self.expects:
            expected = self.expects.pop(place)
            require("a damaged home is replaced", offset == expected, f"from {offset}, not from {expected}")
            self.cells[RESTORED] += offset > 1

    def world(self, files: SimFiles) -> SimWorld:
        return SimWorld(Random(self.random.getrandbits(64)), files, set(), self.company.wires())

    def engine(self, world: SimWorld, app: SimApp | None = None) -> Engine:
        settings = EngineSettings(
            self.durability, self.settings.partitions, self.settings.window, interpreted=True,
            memory=self.settings.memory * self.settings.partitions, keeping=self.settings.upkeep.keeping,
        )  # fmt: skip
        return Engine((app or self.town.app).bundle, FOLDER, settings, world)

    def _crash(self, world: SimWorld) -> None:
        self.trace.add("CRASH")
        world.crash()
        raise Crash

    def _inflict(self) -> float | None:
        """Choose what goes wrong; gives the time after which the process is gone, if that is it."""
        random, files = self.random, self.files
        kind = random.random()
        if kind < 0.35:
            self.crash_when_open = random.random() < 0.6
            if not self.crash_when_open:
                self._arm()
        elif kind < 0.6:
            return random.expovariate(1.0) * random.choice((0.001, 0.02, 0.3))
        elif kind < 0.85:
            operations = random.choice(FAULTS)
            files.fail(random.randint(1, random.choice((5, 40))), *operations, for_ever=random.random() < 0.3)
            self.trace.add(f"fails: {files._fault}")
        elif kind < 0.92:
            files.capacity = sum(len(inode.seen) for inode in files._names.values()) + random.randint(0, 5000)
            self.trace.add(f"room for {files.room()} bytes")
        return None

    def _arm(self) -> None:
        """Let the process crash at some operation."""
        self.files.crash_on, most = self.random.choice(PLACES if self.settings.upkeep == NONE else PLACES + KEEPING)
        self.files.operations_left = self.random.randrange(self.random.choice((4, most)))

    async def _main(self, engine: Engine, world: SimWorld, *, last: bool) -> None:
        try:
            async with Served(engine, FOLDER):
                self._serve(engine)
                await self._wake_zombie(world)
                await self.company.meet(engine, last=last)
                self.town.excused = True  # from now on whoever is connected hears that it ends
        finally:
            await self.company.leave()
        for judge, state in zip(self.court.partitions, states(engine), strict=True):
            judge.says(state)

    def _serve(self, engine: Engine) -> None:
        """It has opened the folder."""
        self.opened = True
        for judge, state in zip(self.court.partitions, states(engine), strict=True):
            self.trace.add(f"opened partition {judge.number}: {state}")
            judge.opened(state)
        if self.crash_when_open:
            self._arm()
        limit(engine, self.settings.in_flight_bytes)

    async def _wake_zombie(self, world: SimWorld) -> None:
        """Somebody else means to write the folder."""
        if self.random.random() < 0.1:
            try:
                world.lock(FOLDER)
            except FolderInUse:
                self.cells[ZOMBIE] += 1
            else:
                require("one process writes a folder", False, "a second one has its lock")

    def _after(self, *, power: bool) -> None:
        """What is left for the next process, and whether it is what was promised."""
        before = self.files
        self.files = before.crashed() if power else before.killed()
        self.files.capacity = None
        self.trace.add("--- power is lost" if power else "--- it has ended")
        self.court.judge(before)
        if power:
            self.court.lose(self.files)
