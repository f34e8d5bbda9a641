"""The seven rules have their guards, and docs/compliance.md lists exactly these."""

from dataclasses import replace

import pytest

from tests.docs import promises
from tests.docs.compliance import PAGE, RULES, compliance, guards
from tests.project.tree import ROOT

FOUND = list(guards(ROOT / "tests"))


def test_the_page_lists_the_guards_that_there_are():
    assert PAGE.read_text("utf-8") == compliance(FOUND), "run `python -m tests.docs.compliance`"


@pytest.mark.parametrize("rule", RULES)
def test_without_its_guards_a_rule_has_no_page(rule):
    rest = [replace(guard, rules=tuple(other for other in guard.rules if other != rule)) for guard in FOUND]

    with pytest.raises(LookupError, match=rf"rule {rule},"):
        compliance(rest)


def test_a_guard_that_is_gone_is_missed():
    [kept, *rest] = [guard for guard in FOUND if 5 in guard.rules]

    assert rest
    assert compliance([guard for guard in FOUND if guard != kept]) != compliance(FOUND)


def test_markers_are_found_where_they_stand(tmp_path):
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_some.py").write_text(
        "import pytest\n\n\n@pytest.mark.guards(2, 5)\n@pytest.mark.slow\ndef test_it(): ...\n\n\ndef test_no(): ...\n"
    )

    [guard] = guards(folder)
    assert (guard.file, guard.test, guard.rules) == ("tests/test_some.py", "test_it", (2, 5))


def test_a_rule_that_is_none_is_refused():
    with pytest.raises(LookupError, match="rules \\[8\\]"):
        compliance([*FOUND, replace(FOUND[0], rules=(8,))])


def test_a_promise_whose_test_is_gone_is_missed(monkeypatch):
    gone = "tests/past/test_past.py::test_of_nothing"
    monkeypatch.setitem(promises.PROMISES, 15, replace(promises.PROMISES[15], held_by=(gone,)))

    with pytest.raises(LookupError, match=gone):
        compliance(FOUND)
