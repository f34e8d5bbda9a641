"""An application's topics: their names, and the settings without which what we promise would not hold.

Topics that are missing are made. Those that are there are checked and never changed: whoever set something may have had
a reason, and hears which setting is wrong and how to change it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mmsb.processors.batching import MESSAGE_BYTES
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.limits import BATCH_BYTES_MAX, PARTITIONS_MAX
from mmsb.schemas.types import I64_MAX
from mmsb.streams.kafka.cluster.broker import Broker

SEEN_SECONDS: Final = 10.0
"""A topic that was made is known to all brokers after a moment; this long is waited for it."""

_LOOK_SECONDS: Final = 0.05


class Topic(StrEnum):
    INTENTS = "intents"
    TLOG = "tlog"
    EVENTS = "events"
    REJECTS = "rejects"

    def of(self, app: str) -> str:
        """Its name in the cluster; an application's name has nothing in it that Kafka would not take."""
        return f"{app}.{self}"


LOGS: Final = (Topic.INTENTS, Topic.TLOG)


@dataclass(frozen=True)
class Setting:
    """What a topic is made with, and what is asked of one that is there: nothing, unless it says why."""

    name: str
    value: str
    why: str = ""
    fits: Callable[[str], bool] | None = None  # when not only this value does

    def allows(self, found: str | None) -> bool:
        if not self.why:
            return True
        return found is not None and (found == self.value if self.fits is None else self.fits(found))


def _holds_batches(found: str) -> bool:
    return MESSAGE_BYTES <= int(found) <= BATCH_BYTES_MAX


_DELETE: Final = Setting("cleanup.policy", "delete", "a compacted topic has gaps, and each offset counts")
_SIZE: Final = Setting(
    "max.message.bytes",
    "1048588",
    f"blocks and batches of intents take up to {MESSAGE_BYTES} bytes, and more than {BATCH_BYTES_MAX} nobody reads",
    _holds_batches,
)
_LOG: Final = (
    _DELETE,
    _SIZE,
    Setting("retention.ms", "-1", "the engine trims: what it needs must not expire"),
    Setting("retention.bytes", "-1", "the engine trims: what it needs must not be dropped for its size"),
    Setting("compression.type", "producer", "brokers must keep batches as they were sent"),
    Setting("unclean.leader.election.enable", "false", "a replica that lacks records must not become the leader"),
)

SETTINGS: Final[Mapping[Topic, tuple[Setting, ...]]] = {
    Topic.INTENTS: (
        *_LOG,
        Setting("message.timestamp.type", "LogAppendTime", "a producer must not choose what time it is"),
    ),
    Topic.TLOG: (
        *_LOG,
        Setting("message.timestamp.type", "CreateTime", "a block must stay as its writer made it, byte for byte"),
        Setting(
            "message.timestamp.after.max.ms", str(I64_MAX)
        ),  # a broker whose clock is late takes blocks all the same
    ),
    Topic.EVENTS: (_DELETE, _SIZE),
    Topic.REJECTS: (_DELETE, _SIZE),
}


Other = Mapping[Topic, Mapping[str, str]]
"""Settings that are not as in SETTINGS."""

COPYING: Final[Other] = {
    Topic.INTENTS: {
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(I64_MAX),
        "message.timestamp.after.max.ms": str(I64_MAX),
    }
}
"""While records of another log come in. Nobody runs on such a topic: `ensure` refuses it."""

COPIED: Final[Mapping[str, str]] = {"message.timestamp.type": "LogAppendTime"}
"""What the intents are switched to then: what is there keeps its times."""


@dataclass(frozen=True)
class Ready:
    """Topics that may be used."""

    partitions: int
    notes: tuple[str, ...]
    """What the cluster's settings promise less of than they could."""


async def ensure(broker: Broker, app: str, partitions: int | None = None, replicas: int = -1) -> Ready:
    """Make what is missing, and check what is there. Without `partitions`: as many as there are, or one.

    `replicas` -1: as many as the broker's default says. With two or more, all but one must have what is acknowledged.
    """
    count = await _make(broker, app, tuple(Topic), partitions, replicas, {})
    found = await _check(broker, app, tuple(Topic), {})
    return Ready(count, tuple(_weaknesses(app, found)))


async def ensure_for_copying(broker: Broker, app: str, partitions: int, replicas: int = -1) -> None:
    """The same for both logs alone. Intents may be on CreateTime: records that are copied keep their times."""
    await _make(broker, app, LOGS, partitions, replicas, COPYING)
    await _check(broker, app, LOGS, COPYING)


async def _make(
    broker: Broker, app: str, topics: Sequence[Topic], partitions: int | None, replicas: int, other: Other
) -> int:
    names = {topic: topic.of(app) for topic in topics}
    there = await broker.topics(list(names.values()))
    count = partitions or max((there[names[topic]] for topic in LOGS if names[topic] in there), default=1)
    if not 1 <= count <= PARTITIONS_MAX:
        raise InvalidValue(f"partitions: expected 1 to {PARTITIONS_MAX}, found {count}")
    _check_counts(app, there, count)  # before anything is made to fit
    for topic, name in names.items():
        if name not in there:
            await broker.create(name, count, replicas, {**made_with(topic, replicas), **other.get(topic, {})})
    await _check_partitions(broker, app, topics, count)
    return count


def made_with(topic: Topic, replicas: int) -> dict[str, str]:
    settings = {setting.name: setting.value for setting in SETTINGS[topic]}
    if replicas > 1:
        settings["min.insync.replicas"] = str(replicas - 1)
    return settings


async def _check_partitions(broker: Broker, app: str, topics: Sequence[Topic], count: int) -> None:
    """That both logs have as many partitions as they should, waiting for those that were just made."""
    names = [topic.of(app) for topic in topics]
    waited = 0.0
    while len(there := await broker.topics(names)) < len(names):
        if waited >= SEEN_SECONDS:
            missing = ", ".join(name for name in names if name not in there)
            raise EnvironmentFailed(
                f"expected the topics {missing}, which were made, found none of them after {SEEN_SECONDS:.0f} s: look "
                "what the brokers say about them, and start again"
            )
        await asyncio.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
    _check_counts(app, there, count)


def _check_counts(app: str, there: Mapping[str, int], count: int) -> None:
    for name in (topic.of(app) for topic in LOGS):
        if there.get(name, count) != count:
            raise InvalidValue(
                f"{name}: expected {count} partitions, found {there[name]}: how many there are is fixed for ever, and "
                f"the same for {Topic.INTENTS.of(app)} and {Topic.TLOG.of(app)}; leave it out, or name another "
                "application or cluster"
            )


async def _check(broker: Broker, app: str, topics: Sequence[Topic], other: Other) -> dict[Topic, Mapping[str, str]]:
    """The settings of topics; all that are wrong are named at once. What is in `other` may be otherwise."""
    found = await broker.settings([topic.of(app) for topic in topics])
    settings = {topic: found.get(topic.of(app), {}) for topic in topics}
    wrong = [
        f"{topic.of(app)}: expected {setting.name}={setting.value}, found {settings[topic].get(setting.name)}: "
        f"{setting.why}; {correction(topic.of(app), setting)}"
        for topic in topics
        for setting in SETTINGS[topic]
        if setting.name not in other.get(topic, {}) and not setting.allows(settings[topic].get(setting.name))
    ]
    if wrong:
        raise EnvironmentFailed("\n".join(wrong))
    return {topic: settings[topic] for topic in topics}


def correction(name: str, setting: Setting) -> str:
    """The command that sets it right."""
    return (
        "kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics "
        f"--entity-name {name} --add-config {setting.name}={setting.value}"
    )


def _weaknesses(app: str, found: Mapping[Topic, Mapping[str, str]]) -> Iterable[str]:
    for topic in LOGS:
        if found[topic].get("min.insync.replicas") == "1":
            yield (
                f"{topic.of(app)}: min.insync.replicas=1: what one broker alone has counts as kept, and is lost with "
                "its disk; have 3 replicas and min.insync.replicas=2"
            )
