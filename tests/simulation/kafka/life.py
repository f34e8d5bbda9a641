"""One seed: some machines whose processes own partitions of one cluster, and most of what can happen to these.

In the end everybody is left in peace, and it must come to rest in the state that the model has.
"""

import asyncio
from collections import Counter
from functools import partial
from random import Random

from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed, GenerationConflict, Superseded
from mmsb.streams.kafka import topics
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.partitions.replica import Replica
from tests.crash.small import small_home
from tests.simulation.claims import Wrong, require
from tests.simulation.clients import Town
from tests.simulation.kafka.appends import Appends, Rivals
from tests.simulation.kafka.cells import INTENTS_UNHEARD, OLD_CODE, ZOMBIE, Death, at_death, in_the_end
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.endings import STOPS, LastAct, draw_ending
from tests.simulation.kafka.judge import DoorCourt, KafkaCourt
from tests.simulation.kafka.machines import Machine, NamedTown, NamedTrace
from tests.simulation.kafka.misfortunes import befall, kill, thaw
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.services import Service
from tests.simulation.kafka.settings import draw_settings
from tests.simulation.kafka.theatre import Process, Theatre, new_disk
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.kafka.workers import Place, watched
from tests.simulation.running import segments_of
from tests.simulation.world import Trace

PEACE_SECONDS = 600.0
"""So long all may take to come to rest once nothing goes wrong."""

TRUCE_SECONDS = 45.0
"""So long after that begins somebody may fail who had waited for an answer since before it: it, or the append whose
outcome it was to tell, is missed only after a while."""


class KafkaLife:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random = Random(f"kafka {seed}")
        self.settings = draw_settings(random)
        self.cells: Counter[str] = Counter()
        self.theatre = Theatre(random)
        self.trace = Trace(now=self.theatre.time)
        self.weather = draw_weather(Random(random.getrandbits(64)))
        self.cluster = Cluster(self.theatre, Random(random.getrandbits(64)), self.weather, self.trace)
        self.court = KafkaCourt(self.settings, self.cluster)
        self.judges = self.court.partitions
        self.towns: list[Town] = []
        self.machines = [self._machine(f"m{number}", owns=True) for number in range(self.settings.machines)]
        self.machines += [self._machine(f"c{number}", owns=False) for number in range(random.choice((0, 1, 2)))]
        self.peaceful = False
        self.peaceful_since = 0.0
        self.generation = 1
        self.dies_appending: Machine | None = None
        self.appends = Appends()
        self.rivals = Rivals(random)
        self.cluster.hears = self._appends
        self.deaths: list[Death] = []
        self.last_act: LastAct | None = None
        self.theatre.crashed = self._crashed
        self._failed: asyncio.Future[None] | None = None

    def _machine(self, name: str, *, owns: bool) -> Machine:
        return Machine(name, new_disk(self.random.getrandbits(64), NamedTrace(self.trace, name)), owns)

    def run(self) -> None:
        """Raises Wrong if a process does something that it must not; `trace` says how it came to that."""
        settings = self.settings
        self.trace.add(f"=== {settings!r}, {self.weather!r}")
        try:
            with (
                segments_of(settings.segment_bytes),
                small_home(settings.flush_seconds, settings.flush_log_bytes),
                watched(self._place, self._told),
            ):
                self.theatre.play(self.theatre.outside(self._live()))
        finally:
            self.theatre.end()
        require("nothing fails unseen", not self.theatre.unhandled, f"{self.theatre.unhandled}")

    async def _live(self) -> None:
        self._failed = asyncio.get_running_loop().create_future()
        living = asyncio.create_task(self._all())
        await asyncio.wait([living, self._failed], return_when=asyncio.FIRST_COMPLETED)
        await (self._failed if self._failed.done() else living)

    async def _all(self) -> None:
        random, settings = self.random, self.settings
        for machine in self.machines:
            self.theatre.interrupt(random.expovariate(1.0), partial(self._start, machine))
        for at in sorted(random.random() * 90 for _ in range(random.choice((0, 2, 6, 12)))):
            self.theatre.interrupt(at, partial(befall, self))
        for _ in range(random.choice((0, 0, 1, 2))):
            self.theatre.later(random.random() * 90, self._release)
        for _ in range(random.choice((0, 1, 4))):
            topic = random.choice((settings.intents, settings.tlog))
            at_partition = TopicPartition(topic, random.randrange(settings.partitions))
            self.theatre.later(random.random() * 90, self._elect, at_partition)
        await topics.ensure(ModelBroker(self.cluster), settings.name, settings.partitions)
        services = [self.service(f"service {number}") for number in range(random.choice((0, 1, 2)))]
        await asyncio.gather(*(each.run(random.randint(1, 15), random.choice((0.1, 2.0, 8.0))) for each in services))
        self.cells[INTENTS_UNHEARD] += sum(each.repeated for each in services)
        await asyncio.sleep(max(0.0, 100 - self.theatre.time()))
        await self._peace()
        in_the_end(self.court, self.deaths, self.cells)
        judge = random.choice(self.judges)
        ending = draw_ending(random, self.cluster, judge)
        if ending is not None:
            self.last_act = LastAct(self, judge.number, ending)
            await self.last_act.play()

    def service(self, name: str) -> Service:
        random = Random(self.random.getrandbits(64))
        return Service(self.settings, self.cluster, random, name, self.trace, self.court.submitted)

    def _elect(self, at: TopicPartition) -> None:
        if self.cluster.partitions(at.topic):  # else it was drawn for a moment before the topic was made
            self.cluster.elect(at)

    # Machines

    def _release(self) -> None:
        """From now on there is newer code; some machines begin it later than others."""
        self.generation += 1
        self.trace.add(f"=== generation {self.generation}")

    def _start(self, machine: Machine) -> None:
        if machine.place is not None or self.last_act or (self.peaceful and not machine.owns):
            return
        self.begin(machine)

    def begin(self, machine: Machine) -> None:
        random = self.random
        process = Process(self.theatre, machine.name, Random(random.getrandbits(64)), machine.files)
        town = NamedTown(self.settings.app, DoorCourt(self.court), self.trace, Random(random.getrandbits(64)))
        town.name = f"{machine.name} {len(self.towns)}"
        self.towns.append(town)
        older = not self.peaceful and random.random() < 0.3
        generation = max(1, self.generation - older)
        machine.place = Place(self.settings, self.cluster, process, town, generation, owns=machine.owns)
        self.trace.add(f"=== {machine.name} starts")
        clients = random.choice((0, 1, 3)) if machine.owns else random.choice((1, 3))
        machine.running = process.start(machine.place.run(clients, random.randint(1, 12)))
        machine.running.add_done_callback(lambda done: self._ended(machine, done), context=self.theatre.nobody)

    def _ended(self, machine: Machine, done: "asyncio.Task[None]") -> None:
        """By itself, or because it was told to."""
        if done.cancelled() or (done.exception() is None and not machine.owns):
            self.trace.add(f"=== {machine.name} has stopped")
        else:
            error = done.exception()
            self.trace.add(f"=== {machine.name} ends: {type(error).__name__}: {error}")
            self._judge_end(machine, error)
        self.theatre.interrupt(0.0, lambda: self.gone(machine, power=False, killed=False))

    def _judge_end(self, machine: Machine, error: BaseException | None) -> None:
        if self.last_act is not None:
            self.last_act.stopped_by = error
            return
        excused = isinstance(error, Superseded) or (isinstance(error, EnvironmentFailed) and not self._is_calm)
        if isinstance(error, GenerationConflict):
            excused = machine.place is not None and machine.place.generation < self.generation
            self.cells[OLD_CODE] += 1
        if isinstance(error, Superseded):
            self.cells[ZOMBIE] += machine.place is not None and machine.place.woke
        if not excused:
            wrong = Wrong(f"[it runs on] {machine.name} ends: {type(error).__name__}: {error}")
            wrong.__cause__ = error
            self._fail(error if isinstance(error, Wrong) else wrong)

    @property
    def _is_calm(self) -> bool:
        return self.peaceful and self.theatre.time() - self.peaceful_since > TRUCE_SECONDS

    def _fail(self, error: Wrong) -> None:
        assert self._failed is not None, "it lives"
        if not self._failed.done():
            self._failed.set_exception(error)

    def gone(self, machine: Machine, *, power: bool, killed: bool = True) -> None:
        """Whatever way the process went: what is left for the next one, which comes after a while."""
        place = machine.place
        if place is None:
            return
        machine.place = machine.running = None
        if not place.process.dead:
            self.theatre.kill(place.process)
        machine.files = machine.files.crashed() if power else machine.files.killed()
        if killed:
            self.deaths += at_death(self.court, list(place.opened.values()), machine.files, self.cells)
        wait = self.random.expovariate(1.0) * self.random.choice((0.1, 5.0, 20.0))
        self.theatre.interrupt(wait, lambda: self._start(machine))

    def _crashed(self, process: Process) -> None:
        self.theatre.kill(process)
        for machine in self.machines:
            if machine.place is not None and machine.place.process is process:
                self.gone(machine, power=self.random.random() < 0.4)

    # What processes say

    def _told(self, place: Place, partition: int, first: int, last: int, receipts: Receipts) -> None:
        self.trace.add(f"{place.process.name} tells {first} to {last} of partition {partition}")
        replica = place.opened[partition]
        try:
            goes_on = self.last_act is not None and self.last_act.silences(partition)
            require(STOPS, not goes_on, f"{place.process.name} tells {first} to {last}")
            self.judges[partition].told(replica._opened.writer._nonce, first, last, receipts)
            self._says(replica)
        except Wrong as wrong:
            self._fail(wrong)

    def _appends(self, process: Process | None, at: TopicPartition, batch: bytes) -> None:
        place = None if process is None else self._place(process)
        if place is None or at.topic != self.settings.tlog:
            return
        try:
            self.appends.judge(place, at, batch)
        except Wrong as wrong:
            self._fail(wrong)
        rival = self.rivals.before(at, batch)
        if rival is not None and not self.peaceful:
            self.cluster.appear(at, rival)
        machine = self.dies_appending
        if machine is not None and machine.place is place and not self.peaceful:
            self.dies_appending = None
            self.theatre.interrupt(0.0, partial(kill, self, machine))

    def _says(self, replica: Replica) -> None:
        fold = replica._opened.fold
        if not replica.owned or replica._opened.stepped == fold.settled:
            self.judges[replica.of.partition].folded(fold.settled, (fold.digest.a, fold.digest.b))

    # Peace

    async def _peace(self) -> None:
        self.trace.add("=== peace")
        self.peaceful, self.peaceful_since = True, self.theatre.time()
        self.weather.calm()
        self.theatre.interrupt(0.0, self._wake_all)
        begun = self.theatre.time()
        while not self._rests():
            waited = self.theatre.time() - begun
            require("everything settles in the end", waited < PEACE_SECONDS, self._where())
            await asyncio.sleep(1.0)
        self.trace.add("=== all rests")
        for replica in self._replicas():
            self._says(replica)
        self.court.close()

    def _wake_all(self) -> None:
        for machine in self.machines:
            machine.files.operations_left = -1
            if machine.place is not None:
                thaw(self, machine, machine.place)

    def _rests(self) -> bool:
        """Whether all is settled, and everybody who folds has folded that."""
        settled = all(judge.watch.settled == judge.watch.logged for judge in self.judges)
        replicas = self._replicas()
        owned = {replica.of.partition for replica in replicas if replica.owned}
        folded = all(
            replica._opened.fold.settled == self.judges[replica.of.partition].watch.settled for replica in replicas
        )
        relayed = all(replica.relay.idle for replica in replicas if replica.owned)
        return settled and folded and relayed and len(owned) == len(self.judges)

    def _replicas(self) -> list[Replica]:
        """Of those that run."""
        places = [machine.place for machine in self.machines if machine.place is not None]
        return [replica for place in places for replica in place.replicas.values()]

    def _place(self, process: Process) -> Place | None:
        places = (machine.place for machine in self.machines)
        return next((place for place in places if place is not None and place.process is process), None)

    def _where(self) -> str:
        folded = [f"{each.of.partition}: {each._opened.fold!r} owned={each.owned}" for each in self._replicas()]
        return f"{[(judge.watch.settled, judge.watch.logged) for judge in self.judges]}; {folded}"
