"""How a life may end that has come to rest: brokers lose what they had acknowledged, and nothing may go on."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.kafka.cells import EXPIRED, GAP, LOST, REMADE
from tests.simulation.kafka.judge import TopicJudge
from tests.simulation.kafka.model import Cluster


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
    if random.random() < 0.4 or watch.settled < 1:
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
