"""The page says everything about each figure, and nothing that the results do not say."""

import pytest

from bench import page
from bench.figures import figure

BOUNDS = [figure("memcpy", "GB/s", [10.0]), figure("load from memory", "ns", [100.0])]


def result(**changes):
    plain = {
        "name": "made-up",
        "machine": {"CPU": "some | CPU", "cores": "2"},
        "commit": "abc",
        "dirty": False,
        "settings": {"intents": 1_000_000, "seed": 1},
        "roofline": [row("memcpy", "GB/s", 10.0), row("load from memory", "ns", 100.0)],
        "figures": [],
        "stages": [],
    }
    return {**plain, **changes}


def row(name, unit, median, **more):
    sample = {"name": name, "unit": unit, "median": median, "minimum": median / 2, "maximum": 2 * median, "repeats": 9}
    return {**sample, **more}


def cells(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_figure_is_shown_with_everything_that_belongs_to_it():
    made = row("decode", "records/s", 20e6, condition="64 B", at_least=30e6, traffic=200)

    shown = cells(page.render([result(figures=[made])]), "decode")

    assert shown == [
        "decode", "64 B", "records/s", "20 M", "10 M to 40 M (9)", "≥ 30 M", "**missed**",
        "50 ns = 0.5 loads; 4 GB/s, 20% of memcpy",
    ]  # fmt: skip


def test_a_target_that_is_met_is_not_shouted():
    made = row("start", "s", 0.4, at_most=0.5)

    assert cells(page.render([result(figures=[made])]), "start")[5:7] == ["≤ 0.5", "met"]


@pytest.mark.parametrize(
    ("unit", "median", "text"),
    [
        ("records/s", 10e6, "100 ns = 1 loads"),
        ("ns/records", 250.0, "250 ns = 2.5 loads"),
        ("ms", 2.0, "2 ms = 20 k loads"),
        ("GB/s", 5.0, "50% of memcpy"),
        ("MB/s", 500.0, "–"),
        ("MB", 150.0, "–"),
        ("×", 12.0, "–"),
    ],
)
def test_each_unit_is_set_beside_the_roofline_in_its_way(unit, median, text):
    assert page.beside(figure("f", unit, [median]), BOUNDS) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.0123456, "0.0123"), (0.5, "0.5"), (9.996, "10"), (12.34, "12.3"), (999.4, "999"),
        (999.9, "1 k"), (1234.5, "1.23 k"), (20e6, "20 M"), (1.5e9, "1.5 G"), (12e10, "120 G"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert page.short(value) == text


def test_a_result_says_machine_commit_and_settings():
    text = page.render([result(dirty=True)])

    assert "Commit abc, with changes that are not in it. CPU some | CPU; cores 2." in text
    assert "Settings: intents 1,000,000; seed 1." in text
    assert "with changes" not in page.render([result()])


def test_stages_are_shown_with_their_sum_and_what_was_counted():
    table = {
        "name": "whole", "unit": "intents", "amount": 1_000, "total": 1e-3, "parts": {"one": 4e-4, "two": 5.5e-4},
        "counters": {"page faults": 2_000.0}, "counters_missing": "hardware counters are unavailable here: no PMU",
    }  # fmt: skip

    text = page.render([result(stages=[table])])

    assert cells(text, "one") == ["one", "400", "40.0%"]
    assert cells(text, "sum") == ["sum", "950", "95.0%"]
    assert "they sum to 95% of the total, which is within 10 %" in text
    assert "page faults 2." in text
    assert "Hardware counters are unavailable here: no PMU." in text


def test_cells_cannot_break_the_table():
    made = row("a|b", "records/s", 1.0)

    assert "| a\\|b |" in page.render([result(figures=[made])])


def test_the_page_is_what_the_results_say():
    assert page.PAGE.read_text("utf-8") == page.render(page.load()), "run `python -m bench page`"
