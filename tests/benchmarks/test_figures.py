"""Verdicts, ratios, agreement, and the ten per cent within which stages add up."""

import pytest

from bench.figures import StageTable, disagreements, figure, times


@pytest.mark.parametrize(
    ("targets", "verdict"),
    [
        ({}, ""),
        ({"at_least": 20.0}, "met"),
        ({"at_least": 20.5}, "missed"),
        ({"at_most": 20.0}, "met"),
        ({"at_most": 19.5}, "missed"),
        ({"at_least": 19.0, "at_most": 21.0}, "met"),
        ({"at_least": 19.0, "at_most": 19.5}, "missed"),
        ({"at_least": 21.0, "at_most": 22.0}, "missed"),
    ],
)
def test_the_median_decides_whether_a_target_is_met(targets, verdict):
    assert figure("f", "x/s", [10.0, 20.0, 90.0], **targets).verdict == verdict


def test_a_figure_is_the_median_with_its_spread():
    found = figure("f", "x/s", [30.0, 10.0, 20.0, 90.0])

    assert (found.median, found.minimum, found.maximum, found.repeats) == (25.0, 10.0, 90.0, 4)


def test_a_ratio_pairs_the_samples_of_the_same_turn():
    found = times("faster", figure("a", "x/s", [10.0, 40.0, 90.0]), figure("b", "x/s", [10.0, 20.0, 30.0]), at_least=2)

    assert (found.minimum, found.median, found.maximum) == (1.0, 2.0, 3.0)
    assert (found.unit, found.verdict) == ("×", "met")


def test_figures_of_different_numbers_of_turns_have_no_ratio():
    with pytest.raises(ValueError, match="shorter"):
        times("faster", figure("a", "x/s", [1.0, 2.0]), figure("b", "x/s", [1.0]))


def test_two_runs_disagree_when_a_median_lies_outside_of_the_other_spread():
    before = [figure("same", "x/s", [9.0, 10.0, 11.0]), figure("moved", "x/s", [9.0, 10.0, 11.0])]
    after = [
        figure("same", "x/s", [10.0, 10.5, 12.0]),
        figure("moved", "x/s", [10.0, 11.5, 12.0]),
        figure("new", "x/s", [1.0]),
    ]

    [text] = disagreements(before, after)
    assert text.startswith("moved: 10 and then 11.5 x/s")


def test_a_wide_run_does_not_excuse_a_narrow_one_that_it_misses():
    narrow, wide = figure("f", "x/s", [9.9, 10.0, 10.1]), figure("f", "x/s", [5.0, 11.0, 20.0])

    assert not narrow.agrees(wide)
    assert not wide.agrees(narrow)


@pytest.mark.parametrize(("seconds", "adds_up"), [(0.89, False), (0.91, True), (1.09, True), (1.11, False)])
def test_stages_may_miss_their_total_by_ten_per_cent(seconds, adds_up):
    table = StageTable("t", "intents", 10, 1.0, {"first": seconds - 0.5, "second": 0.5})

    assert table.sum_share == pytest.approx(seconds)
    assert table.adds_up == adds_up
