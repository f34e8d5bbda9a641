"""The gate lets noise pass and names what got 30 % slower."""

import time
from dataclasses import replace

import pytest

from bench import gate
from bench.gate import SLACK_MAX, Known, baseline, check, load, measure_ratios, save, slower
from bench.gated import Gated, watched
from bench.stages import SLOW, Stage
from bench.traffic import traffic
from bench.whole import INTERPRETED

pytestmark = pytest.mark.alone  # other tests beside it would be measured, too

QUIET = {"way: decode": Known(0.5, 0.02), "way: encode": Known(2.0, 0.02)}


def test_what_is_within_the_noise_passes():
    assert slower({"way: decode": 0.52, "way: encode": 2.1}, QUIET) == []


def test_what_got_30_per_cent_slower_is_named():
    [text] = slower({"way: decode": 0.65, "way: encode": 2.0}, QUIET)

    assert text.startswith("way: decode got 30% slower: 0.65 times its reference, 0.5 in the baseline")


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.1, 0.5])
@pytest.mark.parametrize("same_machine", [True, False])
def test_30_per_cent_are_seen_whatever_the_noise_and_the_machine(noise, same_machine):
    known = {"way: decode": Known(0.5, noise)}

    assert slower({"way: decode": 0.65}, known, same_machine=same_machine)
    assert not slower({"way: decode": 0.53}, known, same_machine=same_machine)


def test_what_is_measured_no_more_is_named():
    assert slower({"way: decode": 0.5}, QUIET) == ["way: encode is in the baseline and was not measured"]


def test_what_got_faster_and_what_is_new_passes():
    assert slower({"way: decode": 0.1, "way: encode": 0.1, "way: new": 9.0}, QUIET) == []


def test_a_baseline_is_the_median_with_how_far_the_runs_lie_apart():
    runs = [{"a": ratio} for ratio in (1.0, 1.1, 0.9, 1.0, 1.02)]

    assert baseline(runs) == {"a": Known(1.0, 0.2)}


def test_what_is_too_noisy_to_see_30_per_cent_in_is_said_to_be():
    assert Known(1.0, SLACK_MAX / 2).quiet
    assert not Known(1.0, SLACK_MAX / 2 + 0.01).quiet


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    save(tmp_path / "baseline.json", QUIET)
    about, known = load(tmp_path / "baseline.json")

    assert known == QUIET
    assert about["runs"] == gate.RUNS


def test_without_a_baseline_the_gate_says_how_to_make_one(tmp_path, capsys):
    assert check([], tmp_path / "baseline.json") == 2
    assert "gate --update" in capsys.readouterr().err


class Steps:
    """A way of two stages, which take as long as they are told to."""

    seconds = 0.004

    def first(self) -> None:
        spin(self.seconds)

    def second(self) -> None:
        spin(2 * self.seconds)

    def run(self) -> None:
        self.first()
        self.second()


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


SYNTHETIC = [
    Gated(
        "steps",
        Steps.run,
        Steps,
        [Stage("first", Steps, "first"), Stage("second", Steps, "second")],
        lambda: spin(0.004),
    )
]


@pytest.fixture
def known(tmp_path):
    """A baseline of the synthetic way."""
    path = tmp_path / "baseline.json"
    save(path, baseline([measure_ratios(SYNTHETIC, repeats=5) for _ in range(2)]))
    return path


def test_the_gate_passes_when_nothing_changed(known, capsys):
    assert check(SYNTHETIC, known, repeats=5) == 0
    assert "3 ratios, 0 problems" in capsys.readouterr().out


def test_the_gate_names_the_one_stage_that_was_slowed_by_30_per_cent(known, capsys, monkeypatch):
    monkeypatch.setenv(SLOW, "second=1.3")

    assert check(SYNTHETIC, known, repeats=5) == 1

    said = capsys.readouterr().out
    assert "gate: steps: second got 3" in said
    assert "steps: first got" not in said


def test_sleeping_in_a_stage_is_seen_too(known, capsys, monkeypatch):
    before = Steps.first

    def first(self: Steps) -> None:
        before(self)
        time.sleep(0.3 * self.seconds)

    monkeypatch.setattr(Steps, "first", first)

    assert check(SYNTHETIC, known, repeats=5) == 1
    assert "gate: steps: first got" in capsys.readouterr().out


def test_a_baseline_of_another_machine_is_compared_and_said_to_be_one(known, capsys, monkeypatch):
    monkeypatch.setattr(gate, "_machine", lambda: "another")

    assert check(SYNTHETIC, known, repeats=5) == 0
    assert "the baseline is of another machine" in capsys.readouterr().out


@pytest.mark.slow
def test_a_stage_of_the_machine_slowed_by_30_per_cent_fails_the_gate_and_without_it_passes(
    tmp_path, capsys, monkeypatch
):
    """One stage alone: the suite's other workers are noise enough for one of sixteen to seem slower."""
    name = "check and make deltas"
    way = watched(INTERPRETED, "packed", traffic(200, 100))
    asked = [replace(way, stages=[stage for stage in way.stages if stage.name == name])]
    path = tmp_path / "baseline.json"
    known = baseline([measure_ratios(asked, repeats=9) for _ in range(3)])
    save(path, {key: found for key, found in known.items() if key.endswith(name)})

    assert check(asked, path, repeats=9) == 0
    monkeypatch.setenv(SLOW, f"{name}=1.3")
    capsys.readouterr()
    assert check(asked, path, repeats=9) == 1

    assert f"gate: interpreted, packed: {name} got" in capsys.readouterr().out
