"""Topics are made as they have to be, and one that is otherwise is refused by name."""

from collections.abc import Coroutine, Generator
from random import Random
from typing import Any

import pytest

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.streams.kafka.topics import LOGS, SETTINGS, Ready, Topic, correction, ensure, made_with
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Theatre
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.world import Trace

APP = "bank"
INTENTS, TLOG = (topic.of(APP) for topic in LOGS)


class Stage:
    def __init__(self) -> None:
        self.theatre = Theatre(Random(1))
        self.cluster = Cluster(self.theatre, Random(2), draw_weather(Random(3)), Trace(now=self.theatre.time))

    def ensure(self, partitions: int | None = None, replicas: int = -1) -> Ready:
        return self.play(ensure(ModelBroker(self.cluster), APP, partitions, replicas))

    def play(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.theatre.play(self.theatre.outside(work))


@pytest.fixture
def stage() -> Generator[Stage]:
    stage = Stage()
    yield stage
    stage.theatre.end()


def test_what_is_missing_is_made_and_what_is_there_is_taken(stage: Stage):
    assert stage.ensure(3).partitions == 3
    made = {name: dict(topic.settings) for name, topic in stage.cluster.topics.items()}
    assert {name: len(topic.logs) for name, topic in stage.cluster.topics.items()} == dict.fromkeys(made, 3)
    assert set(made) == {f"bank.{kind}" for kind in ("intents", "tlog", "events", "rejects")}
    assert made[INTENTS]["message.timestamp.type"] == "LogAppendTime"
    assert all(made[name]["retention.ms"] == "-1" for name in (INTENTS, TLOG))
    assert made["bank.events"]["retention.ms"] != "-1", "others may have read them"
    assert stage.ensure().partitions == 3
    assert {name: dict(topic.settings) for name, topic in stage.cluster.topics.items()} == made


def test_one_partition_is_enough(stage: Stage):
    assert stage.ensure().partitions == 1


def test_a_log_that_is_missing_gets_as_many_partitions_as_the_other(stage: Stage):
    stage.cluster.create(TLOG, 4, made_with(Topic.TLOG, 1))
    assert stage.ensure().partitions == 4
    assert stage.cluster.partitions(INTENTS) == 4


WRONG = [
    (INTENTS, "cleanup.policy", "compact,delete"),
    (TLOG, "cleanup.policy", "compact"),
    (INTENTS, "retention.ms", "604800000"),
    (TLOG, "retention.bytes", "1000000000"),
    (INTENTS, "compression.type", "zstd"),
    (TLOG, "compression.type", "uncompressed"),
    (INTENTS, "message.timestamp.type", "CreateTime"),
    (TLOG, "message.timestamp.type", "LogAppendTime"),
    (TLOG, "max.message.bytes", "1000000"),
    (INTENTS, "max.message.bytes", "20000000"),
    (INTENTS, "unclean.leader.election.enable", "true"),
    ("bank.events", "cleanup.policy", "compact"),
    ("bank.rejects", "max.message.bytes", "1000"),
]


@pytest.mark.parametrize(("name", "setting", "value"), WRONG)
def test_a_wrong_setting_is_refused_by_name_with_what_corrects_it(stage: Stage, name: str, setting: str, value: str):
    stage.ensure()
    before = stage.cluster.topics[name].settings[setting]
    stage.cluster.alter(name, {setting: value})
    with pytest.raises(EnvironmentFailed) as refused:
        stage.ensure()
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{name}: expected {setting}={before}, found {value}: ")
    assert f"--entity-name {name} --add-config {setting}={before}" in line
    stage.cluster.alter(name, {setting: before})
    stage.ensure()


def test_all_wrong_settings_are_named_at_once(stage: Stage):
    stage.ensure()
    for name, setting, value in WRONG:
        stage.cluster.alter(name, {setting: value})
    with pytest.raises(EnvironmentFailed) as refused:
        stage.ensure()
    assert len(str(refused.value).splitlines()) == len({(name, setting) for name, setting, _ in WRONG})


def test_events_and_rejects_may_expire(stage: Stage):
    stage.ensure()
    for name in ("bank.events", "bank.rejects"):
        stage.cluster.alter(name, {"retention.ms": "1000", "compression.type": "zstd"})
    stage.ensure()


def test_how_many_partitions_there_are_is_fixed(stage: Stage):
    stage.ensure(2)
    with pytest.raises(InvalidValue, match=r"bank\.intents: expected 3 partitions, found 2"):
        stage.ensure(3)


def test_nothing_is_made_beside_a_log_with_other_partitions(stage: Stage):
    stage.cluster.create(TLOG, 4, made_with(Topic.TLOG, 1))
    with pytest.raises(InvalidValue, match=r"bank\.tlog: expected 2 partitions, found 4"):
        stage.ensure(2)
    assert set(stage.cluster.topics) == {TLOG}


def test_logs_with_different_partitions_are_refused(stage: Stage):
    stage.cluster.create(INTENTS, 3, made_with(Topic.INTENTS, 1))
    stage.cluster.create(TLOG, 2, made_with(Topic.TLOG, 1))
    with pytest.raises(InvalidValue, match=r"bank\.tlog: expected 3 partitions, found 2"):
        stage.ensure()


def test_what_one_broker_alone_keeps_is_said(stage: Stage):
    assert stage.ensure().notes == ()
    for name in (INTENTS, TLOG):
        stage.cluster.alter(name, {"min.insync.replicas": "1"})
    assert [note.split(":")[0] for note in stage.ensure().notes] == [INTENTS, TLOG]


def test_all_replicas_but_one_must_have_what_is_acknowledged(stage: Stage):
    stage.ensure(replicas=3)
    assert {topic.settings["min.insync.replicas"] for topic in stage.cluster.topics.values()} == {"2"}


def test_no_topic_is_made_with_what_would_be_refused():
    for topic, settings in SETTINGS.items():
        assert all(setting.allows(made_with(topic, 3)[setting.name]) for setting in settings)
        assert all(setting.value in correction(topic.of(APP), setting) for setting in settings)
