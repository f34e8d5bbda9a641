"""The stopwatch: each stage has its own time, and a stage can be slowed on purpose."""

import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from bench.clocks import seconds_of
from bench.stages import SLOW, Stage, Stopwatch, slow_stages, stage_table
from bench.whole import INTERPRETED, compiled

pytestmark = pytest.mark.alone  # other tests beside it would be measured, too

TURNS = 5


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def steps() -> SimpleNamespace:
    made = SimpleNamespace(inner=lambda: busy(0.02), sleeping=lambda: time.sleep(0.03))

    def outer() -> None:
        busy(0.01)
        made.inner()
        made.sleeping()

    made.outer = outer
    return made


def stages(owner: SimpleNamespace) -> list[Stage]:
    return [Stage(name, owner, name) for name in ("outer", "inner", "sleeping")]


def least(slowed: dict[str, float]) -> dict[str, float]:
    """Of each stage's seconds in several turns: whatever else a machine has to do only adds to them."""
    turns = list[dict[str, float]]()
    for _ in range(TURNS):
        owner = steps()
        with Stopwatch(stages(owner), slowed) as stopwatch:
            owner.outer()
        turns.append(stopwatch.seconds)
    return {name: min(turn[name] for turn in turns) for name in turns[0]}


def test_time_inside_of_an_inner_stage_is_not_counted_twice():
    seconds = least({})

    assert seconds["outer"] == pytest.approx(0.01, rel=0.3)
    assert seconds["inner"] == pytest.approx(0.02, rel=0.3)


def test_sleeping_counts_and_waiting_for_a_core_does_not():
    assert 0.025 < least({})["sleeping"] < 0.2


def test_functions_are_as_before_afterwards():
    owner = steps()
    before = dict(vars(owner))

    with suppress(ZeroDivisionError), Stopwatch(stages(owner), {}):
        assert owner.outer is not before["outer"]
        raise ZeroDivisionError

    assert vars(owner) == before


def test_a_result_passes_through():
    owner = SimpleNamespace(double=lambda value, *, by=2: value * by)

    with Stopwatch([Stage("double", owner, "double")], {}):
        assert owner.double(4, by=3) == 12


def test_watching_costs_nothing_that_is_seen():
    owner = SimpleNamespace(nothing=lambda: None)

    with Stopwatch([Stage("nothing", owner, "nothing")], {}) as stopwatch:
        for _ in range(10_000):
            owner.nothing()

    assert stopwatch.seconds["nothing"] / 10_000 < 0.5e-6, "reading two clocks twice takes more than that"


def test_a_slowed_stage_takes_that_many_times_as_long_and_no_other_does():
    seconds = least({"inner": 2.0})

    assert seconds["inner"] == pytest.approx(0.04, rel=0.3)
    assert seconds["outer"] == pytest.approx(0.01, rel=0.3)


def test_the_environment_says_what_is_slowed(monkeypatch):
    monkeypatch.setenv(SLOW, "encode the block=1.3, chain=2")
    assert slow_stages() == {"encode the block": 1.3, "chain": 2.0}

    monkeypatch.delenv(SLOW)
    assert slow_stages() == {}


def test_a_stage_that_moved_away_is_named():
    with (
        pytest.raises(LookupError, match=r"stage 'gone'.*has no nowhere"),
        Stopwatch([Stage("gone", SimpleNamespace(), "nowhere")], {}),
    ):
        pass


def test_a_table_of_all_stages_adds_up_and_of_some_does_not():
    owner = steps()
    made = [
        stage_table("t", "runs", 1, lambda _: owner.outer(), lambda: None, watched, repeats=TURNS)
        for watched in (stages(owner), stages(owner)[1:2])
    ]

    assert [table.adds_up for table in made] == [True, False]
    assert made[0].total == pytest.approx(0.06, rel=0.3)


def test_a_stopwatch_that_is_not_asked_for_changes_nothing():
    assert min(seconds_of(lambda _: busy(0.02), None) for _ in range(TURNS)) == pytest.approx(0.02, rel=0.3)


@pytest.mark.parametrize(
    "way", [pytest.param(lambda: INTERPRETED, id="interpreted"), pytest.param(compiled, marks=pytest.mark.slow)]
)
def test_every_stage_of_a_way_is_where_it_is_said_to_be(way):
    with Stopwatch(way().stages, {}):
        pass
