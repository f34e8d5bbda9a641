"""A checkpoint that is verified, or an index that is made, leaves most of a core to those who wait for one."""

from collections.abc import Callable

import pytest

from mmsb.streams.pace import LOOK_SECONDS, REST_SECONDS_MAX, RESTS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.rested = list[float]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rested.append(seconds)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mmsb.streams.pace.time.sleep", clock.sleep)
    return clock


def works(clock: Clock, is_busy: Callable[[], bool], *parts: float) -> list[float]:
    pace = Pace(clock, is_busy)
    for seconds in parts:
        clock.now += seconds
        pace(0, 0)
    return clock.rested


def test_while_intents_wait_it_rests_longer_than_it_worked(clock: Clock) -> None:
    works(clock, lambda: True, 0.01, 0.02)
    assert sum(clock.rested) == pytest.approx(RESTS * 0.03)


def test_a_long_part_is_no_reason_for_a_long_rest(clock: Clock) -> None:
    works(clock, lambda: True, 10.0, 0.01)
    assert sum(clock.rested) == pytest.approx(REST_SECONDS_MAX + RESTS * 0.01)


def test_it_goes_on_soon_once_nobody_waits_any_more(clock: Clock) -> None:
    begun = clock.now
    works(clock, lambda: clock.now - begun < 0.2, 0.1)
    assert sum(clock.rested) <= 0.1 + LOOK_SECONDS


def test_while_nobody_waits_it_does_not_rest(clock: Clock) -> None:
    assert works(clock, lambda: False, 0.01, 0.02) == []
