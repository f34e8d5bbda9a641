"""An application's topics: their names, and the settings without which what we promise would not hold.

Topics that are missing are made. Those that are there are checked and never changed: whoever set something may have had
a reason, and hears which setting is wrong and how to change it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mmsb.processors.batching import MESSAGE_BYTES
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.limits import BATCH_BYTES_MAX, PARTITIONS_MAX
from mmsb.schemas.types import I64_MAX
from mmsb.streams.kafka.broker import Broker

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
    names = {topic: topic.of(app) for topic in Topic}
    there = await broker.topics(list(names.values()))
    count = partitions or max((there[names[topic]] for topic in LOGS if names[topic] in there), default=1)
    if not 1 <= count <= PARTITIONS_MAX:
        raise InvalidValue(f"partitions: expected 1 to {PARTITIONS_MAX}, found {count}")
    for topic, name in names.items():
        if name not in there:
            await broker.create(name, count, replicas, made_with(topic, replicas))
    await check_partitions(broker, app, count)
    found = await broker.settings(list(names.values()))
    _check_settings({name: (topic, found.get(name, {})) for topic, name in names.items()})
    return Ready(count, tuple(_weaknesses({names[topic]: found[names[topic]] for topic in LOGS})))


def made_with(topic: Topic, replicas: int) -> dict[str, str]:
    settings = {setting.name: setting.value for setting in SETTINGS[topic]}
    if replicas > 1:
        settings["min.insync.replicas"] = str(replicas - 1)
    return settings


async def check_partitions(broker: Broker, app: str, count: int) -> None:
    """That both logs have as many partitions as they should, waiting for those that were just made."""
    names = [topic.of(app) for topic in Topic]
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
    for name in (topic.of(app) for topic in LOGS):
        if there[name] != count:
            raise InvalidValue(
                f"{name}: expected {count} partitions, found {there[name]}: how many there are is fixed for ever, and "
                f"the same for {Topic.INTENTS.of(app)} and {Topic.TLOG.of(app)}; leave it out, or name another "
                "application or cluster"
            )


def _check_settings(found: Mapping[str, tuple[Topic, Mapping[str, str]]]) -> None:
    """All that are wrong are named at once."""
    wrong = [
        f"{name}: expected {setting.name}={setting.value}, found {settings.get(setting.name)}: {setting.why}; "
        f"{correction(name, setting)}"
        for name, (topic, settings) in found.items()
        for setting in SETTINGS[topic]
        if not setting.allows(settings.get(setting.name))
    ]
    if wrong:
        raise EnvironmentFailed("\n".join(wrong))


def correction(name: str, setting: Setting) -> str:
    """The command that sets it right."""
    return (
        "kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics "
        f"--entity-name {name} --add-config {setting.name}={setting.value}"
    )


def _weaknesses(found: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    for name, settings in found.items():
        if settings.get("min.insync.replicas") == "1":
            yield (
                f"{name}: min.insync.replicas=1: what one broker alone has counts as kept, and is lost with its disk; "
                "have 3 replicas and min.insync.replicas=2"
            )
