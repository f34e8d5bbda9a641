"""Repeats, turns, and the files that a report leaves."""

import json
import time

import pytest

from bench import harness, page
from bench.__main__ import main
from bench.counters import counted
from bench.figures import StageTable, figure
from bench.harness import Case, StagesDoNotAddUp, measure, measure_all, report
from bench.machine import commit, machine
from bench.roofline import measure_roofline

pytestmark = pytest.mark.alone  # other tests beside it would be measured, too


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Results and page of this test alone, and a roofline that takes no time."""
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(harness, "measure_roofline", lambda: measure_roofline(repeats=1, scale=0.001))
    return tmp_path


def test_what_is_prepared_is_not_timed_and_is_new_for_every_run():
    prepared = []

    def prepare():
        time.sleep(0.05)
        prepared.append(object())
        return prepared[-1]

    found = measure("sleep", "naps", 1, lambda _: time.sleep(0.002), prepare, in_ns=True)

    assert found.unit == "ns/naps"
    assert found.minimum >= 2e6
    assert found.median < 45e6
    assert len(set(map(id, prepared))) == found.repeats + 1, "one more to warm up"


def test_a_rate_counts_what_one_run_does():
    found = measure("sleep", "naps", 10, lambda _: time.sleep(0.01), lambda: None, at_most=1_000, condition="in bed")

    assert found.unit == "naps/s"
    assert found.maximum <= 1_000
    assert (found.condition, found.verdict) == ("in bed", "met")


def test_cases_take_turns():
    order: list[str] = []

    def case(name: str) -> Case[None]:
        return Case(name, "calls", 1, lambda _: order.append(name), lambda: None)

    measure_all(case("a"), case("b"), repeats=2)

    assert "".join(order) == "ababab"


def test_a_report_writes_result_and_page(written):
    found = figure("f", "things/s", [1.0, 2.0, 3.0], at_least=5.0, condition="slowly")
    table = StageTable("whole", "things", 2, 1.0, {"one": 0.4, "two": 0.6})

    report("made-up", {"seed": 7}, [found], [table])

    saved = json.loads((written / "made-up.json").read_text("utf-8"))
    assert saved["figures"][0] == {
        "name": "f", "unit": "things/s", "median": 2.0, "minimum": 1.0, "maximum": 3.0, "repeats": 3,
        "condition": "slowly", "at_least": 5.0, "at_most": None, "traffic": None,
    }  # fmt: skip
    assert saved["settings"] == {"seed": 7}
    assert saved["machine"] == machine()
    assert (saved["commit"], saved["dirty"]) == commit()
    assert "**missed**" in (written / "page.md").read_text("utf-8")
    assert page.figures_of("made-up") == [figure("f", "things/s", [1.0, 2.0, 3.0], at_least=5.0, condition="slowly")]


def test_a_stage_that_is_missing_fails_the_report_once_it_is_written(written):
    table = StageTable("whole", "things", 2, 1.0, {"one": 0.4})

    with pytest.raises(StagesDoNotAddUp, match="whole: the stages sum to 40%"):
        report("made-up", {}, [], [table])

    assert "40% of the total, **which is more than 10 % away" in (written / "page.md").read_text("utf-8")


def test_two_figures_of_one_name_are_refused(written):
    with pytest.raises(AssertionError, match="told apart"):
        report("made-up", {}, [figure("f", "s", [1.0]), figure("f", "MB", [1.0])])

    assert list(written.iterdir()) == []


def test_an_unknown_name_is_refused_and_the_known_ones_listed(capsys):
    assert main(["core", "nonsense"]) == 2
    assert "there is no nonsense; there is bank, core" in capsys.readouterr().err


def test_help_says_what_there_is(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])

    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("core", "bank", "--twice", "gate --update", "docs/benchmarks.md"))


def test_the_roofline_has_every_bound_that_figures_are_set_against():
    bounds = {bound.name: bound for bound in measure_roofline(repeats=2, scale=0.01)}

    assert list(bounds) == [
        "memcpy", "CRC-32C", "BLAKE3", "load from cache", "load from 100 k pages", "load from memory"
    ]  # fmt: skip
    assert all(bound.minimum > 0 and bound.repeats == 2 for bound in bounds.values())
    assert {bound.unit for name, bound in bounds.items() if "load" in name} == {"ns"}


def test_the_machine_is_described_as_far_as_it_can_be_read():
    about = machine()

    assert set(about) == {
        "CPU", "cores", "caches", "RAM", "kernel", "governor", "huge pages", "Python", "NumPy", "Numba"
    }  # fmt: skip
    assert all(about.values())


def test_counters_are_there_or_their_absence_is_explained():
    found, missing = counted(lambda: sum(range(100_000)))

    assert found["interrupted by others"] >= 0
    assert ("instructions" in found) != missing.startswith("hardware counters are unavailable")
    assert found.get("instructions", 100_000) >= 100_000
