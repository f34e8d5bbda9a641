"""How a life may end that has come to rest: brokers lose what they had acknowledged, and nothing may go on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from tests.simulation.claims import require
from tests.simulation.kafka.cells import EXPIRED, GAP, LOST, REMADE
from tests.simulation.kafka.judge import TopicJudge
from tests.simulation.kafka.machines import Machine
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import new_disk

if TYPE_CHECKING:
    from tests.simulation.kafka.life import KafkaLife

STOPS: Final = "it stops where brokers have lost what they had"
STOPS_SECONDS: Final = 200.0


@dataclass(frozen=True)
class Ending:
    """What befalls a partition's topics."""

    cell: str
    befall: Callable[[], None]
    live: bool  # while its owner runs, or between its end and the next start
    fresh: bool = False  # that start has nothing of its own
    grows: int = 0  # batches of intents that are appended before anybody looks
    says: tuple[str, ...] = ()  # what is to be found in the words with which it stops


def draw_ending(random: Random, cluster: Cluster, judge: TopicJudge) -> Ending | None:
    """None if it ends well, or there is nothing yet that could be lost."""
    watch, live = judge.watch, random.random() < 0.5
    if random.random() < 0.2 or watch.settled < 1:
        return None
    last_block = watch.fold.accepted_at
    intents = random.randint(0, watch.settled)
    grows = random.choice((0, 1, 3))
    endings = (
        Ending(LOST, lambda: cluster.lose(watch.of_tlog, random.randint(1, last_block)), live, grows=1),
        Ending(LOST, lambda: cluster.lose(watch.of_intents, intents), live=False, grows=grows),
        Ending(LOST, lambda: cluster.lose(watch.of_intents, intents), live=True),
        Ending(REMADE, lambda: cluster.recreate(watch.of_tlog.topic), live, grows=1),
        Ending(REMADE, lambda: cluster.recreate(watch.of_intents.topic), live=False, grows=grows),
        Ending(
            EXPIRED, lambda: cluster.expire(watch.of_tlog, 1), live=False, fresh=True, says=("offset 0", "offset 1")
        ),
        Ending(GAP, lambda: cluster.compact(watch.of_intents), live=True, grows=3),
    )
    return random.choice(endings)


class LastAct:
    """A partition's owner alone is left, and has to notice."""

    def __init__(self, life: "KafkaLife", partition: int, ending: Ending) -> None:
        self.partition = partition
        self.stopped_by: BaseException | None = None
        self._life = life
        self._ending = ending
        owners = (each for each in life.machines if each.place is not None and partition in each.place.owned)
        self._owner: Machine = next(owners)

    def silences(self, partition: int) -> bool:
        """Whether nothing may be told of a partition any more. What lies before a gap is as good as before."""
        return partition == self.partition and self._ending.cell != GAP

    async def play(self) -> None:
        life, ending, name = self._life, self._ending, self._owner.name
        life.trace.add(f"=== {ending.cell}, {name} owns partition {self.partition}")
        alone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        life.theatre.interrupt(0.0, lambda: self._leave_alone(alone))
        await alone
        service = life.service("late service")
        if ending.cell == GAP:
            await service.send_to(self.partition, ending.grows)
        ending.befall()
        if ending.cell != GAP:
            await service.send_to(self.partition, ending.grows)
        life.theatre.interrupt(0.0, self._look)
        begun = life.theatre.time()
        while self.stopped_by is None:
            require(STOPS, life.theatre.time() - begun < STOPS_SECONDS, f"{name} goes on: {ending.cell}")
            await asyncio.sleep(1.0)
        words = str(self.stopped_by)
        told_why = isinstance(self.stopped_by, CorruptState | EnvironmentFailed)
        require(STOPS, told_why and all(each in words for each in ending.says), f"with {self.stopped_by!r}")
        life.cells[ending.cell] += 1

    def _leave_alone(self, done: "asyncio.Future[None]") -> None:
        for machine in self._life.machines:
            if machine.place is not None and (machine is not self._owner or not self._ending.live):
                self._life.gone(machine, power=False, killed=False)
        if self._ending.live and self._owner.place is not None:
            self._life.theatre.freeze(self._owner.place.process)
        done.set_result(None)

    def _look(self) -> None:
        owner = self._owner
        if self._ending.live:
            assert owner.place is not None, "it was frozen"
            self._life.theatre.thaw(owner.place.process)
        else:
            if self._ending.fresh:
                owner.files = new_disk(0, owner.files.trace)
            self._life.begin(owner)
