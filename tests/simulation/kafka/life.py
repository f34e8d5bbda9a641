"""One seed: some machines whose processes own partitions of one cluster, and most of what can happen to these.

In the end everybody is left in peace, and it must come to rest in the state that the model has.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from random import Random

from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed, Superseded
from mmsb.streams.kafka.broker import TopicPartition
from mmsb.streams.kafka.replica import Replica
from tests.crash.small import small_home
from tests.simulation.claims import Wrong, require
from tests.simulation.kafka.clients import Client
from tests.simulation.kafka.judge import TopicJudge
from tests.simulation.kafka.model import APPEND_TIME, Cluster
from tests.simulation.kafka.settings import draw_settings
from tests.simulation.kafka.theatre import Process, Theatre, new_disk
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.kafka.workers import SimWorker
from tests.simulation.running import segments_of
from tests.simulation.world import SimFiles, Trace

PEACE_SECONDS = 600.0
"""So long all may take to come to rest once nothing goes wrong."""

WORKER_PLACES = (("", 300), ("/tlog/", 60), ("/intents/", 60), ("/home/", 40), ("/mark", 20))


class NamedTrace(Trace):
    """The lines of one machine."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(now=trace.now)
        self._trace, self._name = trace, name

    def add(self, text: str) -> None:
        self._trace.add(f"{self._name}: {text}")


@dataclass
class Machine:
    """A computer that starts its worker again whenever it has ended."""

    name: str
    files: SimFiles
    worker: SimWorker | None = None
    running: "asyncio.Task[None] | None" = None
    workers: list[SimWorker] = field(default_factory=list[SimWorker])


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
        self.judges = [TopicJudge(self.settings, self.cluster, number) for number in range(self.settings.partitions)]
        self.machines = [self._machine(number) for number in range(self.settings.machines)]
        self.peaceful = False
        self.theatre.crashed = self._crashed
        self._failed: asyncio.Future[None] | None = None

    def _machine(self, number: int) -> Machine:
        name = f"m{number}"
        return Machine(name, new_disk(self.random.getrandbits(64), NamedTrace(self.trace, name)))

    def run(self) -> None:
        """Raises Wrong if a process does something that it must not; `trace` says how it came to that."""
        settings = self.settings
        self.trace.add(f"=== {settings!r}, {self.weather!r}")
        self.cluster.create(settings.intents, settings.partitions, {"message.timestamp.type": APPEND_TIME})
        self.cluster.create(settings.tlog, settings.partitions, {})
        try:
            with segments_of(settings.segment_bytes), small_home(settings.flush_seconds, settings.flush_log_bytes):
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
            self.theatre.interrupt(at, self._befall)
        for _ in range(random.choice((0, 1, 4))):
            topic = random.choice((settings.intents, settings.tlog))
            at_partition = TopicPartition(topic, random.randrange(settings.partitions))
            self.theatre.later(random.random() * 90, self.cluster.elect, at_partition)
        clients = [
            Client(settings, self.cluster, Random(random.getrandbits(64)), f"client {number}", self.trace)
            for number in range(random.choice((1, 2, 4)))
        ]
        await asyncio.gather(*(client.run(random.randint(1, 15), random.choice((0.1, 2.0, 8.0))) for client in clients))
        await asyncio.sleep(max(0.0, 100 - self.theatre.time()))
        await self._peace()

    # Machines

    def _start(self, machine: Machine) -> None:
        if machine.worker is not None:
            return
        process = Process(self.theatre, machine.name, Random(self.random.getrandbits(64)), machine.files)
        machine.worker = SimWorker(self.settings, self.cluster, process, self._told)
        machine.workers.append(machine.worker)
        self.trace.add(f"=== {machine.name} starts")
        machine.running = process.start(machine.worker.run())
        machine.running.add_done_callback(lambda done: self._ended(machine, done), context=self.theatre.nobody)

    def _ended(self, machine: Machine, done: "asyncio.Task[None]") -> None:
        """By itself, or because it was told to."""
        if done.cancelled():
            self.trace.add(f"=== {machine.name} has stopped")
        else:
            error = done.exception()
            self.trace.add(f"=== {machine.name} ends: {type(error).__name__}: {error}")
            self._judge_end(machine, error)
        self.theatre.interrupt(0.0, lambda: self._gone(machine, power=False))

    def _judge_end(self, machine: Machine, error: BaseException | None) -> None:
        assert self._failed is not None, "it lives"
        excused = isinstance(error, Superseded) or (isinstance(error, EnvironmentFailed) and not self.peaceful)
        if not excused and not self._failed.done():
            wrong = Wrong(f"[it runs on] {machine.name} ends: {type(error).__name__}: {error}")
            wrong.__cause__ = error
            self._failed.set_exception(error if isinstance(error, Wrong) else wrong)

    def _gone(self, machine: Machine, *, power: bool) -> None:
        """Whatever way the process went: what is left for the next one, which comes after a while."""
        worker = machine.worker
        if worker is None:
            return
        machine.worker = machine.running = None
        if not worker.process.dead:
            self.theatre.kill(worker.process)
        machine.files = machine.files.crashed() if power else machine.files.killed()
        wait = self.random.expovariate(1.0) * self.random.choice((0.1, 5.0, 20.0))
        self.theatre.interrupt(wait, lambda: self._start(machine))

    def _crashed(self, process: Process) -> None:
        self.theatre.kill(process)
        for machine in self.machines:
            if machine.worker is not None and machine.worker.process is process:
                self._gone(machine, power=self.random.random() < 0.4)

    def _befall(self) -> None:
        """Something happens to some process."""
        random = self.random
        running = [machine for machine in self.machines if machine.worker is not None]
        if self.peaceful or not running:
            return
        machine = random.choice(running)
        worker = machine.worker
        assert worker is not None, "it runs"
        kind = random.random()
        if kind < 0.35:
            self._kill(machine)
        elif kind < 0.5:
            worker.process.files.crash_on, most = random.choice(WORKER_PLACES)
            worker.process.files.operations_left = random.randrange(most)
        elif kind < 0.85 and not worker.process.frozen:
            self._freeze(machine, worker)
        elif not worker.process.frozen and machine.running is not None:
            self.trace.add(f"=== {machine.name} is told to stop")
            machine.running.cancel()

    def _kill(self, machine: Machine) -> None:
        self.trace.add(f"=== {machine.name} is killed")
        self._gone(machine, power=self.random.random() < 0.4)

    def _freeze(self, machine: Machine, worker: SimWorker) -> None:
        seconds = self.random.choice((1.0, 15.0, 40.0)) * (0.5 + self.random.random())
        self.trace.add(f"=== {machine.name} is frozen for {seconds:.1f} s")
        self.theatre.freeze(worker.process)
        self.theatre.interrupt(seconds, lambda: self._thaw(machine, worker))

    def _thaw(self, machine: Machine, worker: SimWorker) -> None:
        if worker.process.frozen:
            self.trace.add(f"=== {machine.name} goes on")
            worker.woke = True
            self.theatre.thaw(worker.process)

    # What processes say

    def _told(self, worker: SimWorker, partition: int, first: int, last: int, receipts: Receipts) -> None:
        self.trace.add(f"{worker.process.name} tells {first} to {last} of partition {partition}")
        replica = worker.replicas[partition]
        try:
            self.judges[partition].told(replica._opened.writer._nonce, first, last, receipts)
            self._says(replica)
        except Wrong as wrong:
            assert self._failed is not None, "it lives"
            if not self._failed.done():
                self._failed.set_exception(wrong)

    def _says(self, replica: Replica) -> None:
        fold = replica._opened.fold
        if not replica.owned or replica._opened.stepped == fold.settled:
            self.judges[replica.of.partition].says(fold.settled, (fold.digest.a, fold.digest.b))

    # Peace

    async def _peace(self) -> None:
        self.trace.add("=== peace")
        self.peaceful = True
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
        for judge in self.judges:
            judge.finish()

    def _wake_all(self) -> None:
        for machine in self.machines:
            machine.files.operations_left = -1
            if machine.worker is not None:
                self._thaw(machine, machine.worker)

    def _rests(self) -> bool:
        """Whether all is settled, and everybody who folds has folded that."""
        settled = all(judge.settled == judge.logged for judge in self.judges)
        replicas = self._replicas()
        owned = {replica.of.partition for replica in replicas if replica.owned}
        folded = all(replica._opened.fold.settled == self.judges[replica.of.partition].settled for replica in replicas)
        return settled and folded and len(owned) == len(self.judges)

    def _replicas(self) -> list[Replica]:
        """Of those that run."""
        workers = [machine.worker for machine in self.machines if machine.worker is not None]
        return [replica for worker in workers for replica in worker.live()]

    def _where(self) -> str:
        folded = [f"{each.of.partition}: {each._opened.fold!r} owned={each.owned}" for each in self._replicas()]
        return f"{[(judge.settled, judge.logged) for judge in self.judges]}; {folded}"
