"""Pages as they were: from a folder that nobody runs, and from its owner, with the same words."""

import pytest

from mmsb.cli import pages, sources
from mmsb.cli.exits import Exit
from mmsb.streams.past.changes import History
from tests.cli.running import objects

WHERE = ["folder", "served"]


@pytest.fixture(params=WHERE)
def data(request):
    return request.getfixturevalue(request.param)


def test_get_shows_a_page_as_it_was_after_an_intent(ask, data):
    code, out, err = ask("get", data, "Account", 1, "--at", 9)

    assert (code, err) == (Exit.DONE, "")
    assert out.splitlines() == ["Account  epoch  owner    balance  moves", "      1      6  owner 1      100      1"]
    balances = [
        objects(ask("get", data, "Account", 1, "--at", at, "--json")[1])[0]["fields"] for at in (0, 4, 5, 10, 12)
    ]
    assert [fields["balance"] for fields in balances] == [0, 0, 100, 50, 50]


def test_get_says_that_a_page_was_not_there_then(ask, data):
    code, out, err = ask("get", data, "Account", 5, "--at", 3)

    assert (code, out) == (Exit.NO_PAGE, "")
    assert "Account 5 did not exist after offset 3; its history says when it did" in err
    assert ask("get", data, "Account", 1, "--at", -1)[0] == Exit.NO_PAGE


def test_a_moment_that_has_not_come_is_refused_with_the_newest(ask, data):
    for command in ("get", "scan"):
        code, _, err = ask(command, data, "Account", *([1] if command == "get" else []), "--at", 13)
        assert code not in (Exit.DONE, Exit.NO_PAGE)
        assert "at: expected an intent offset from -1 to 12, found 13" in err


def test_scan_shows_all_pages_as_they_are_or_were(ask, data):
    code, out, err = ask("scan", data, "Account", "--json")
    assert (code, err) == (Exit.DONE, "")
    assert [(page["key"], page["fields"]["balance"]) for page in objects(out)] == [
        (1, 50), (2, 250), (3, 300), (4, 400), (5, 500),
    ]  # fmt: skip
    then = objects(ask("scan", data, "Account", "--at", 6, "--json")[1])
    assert [page["fields"]["balance"] for page in then] == [100, 200, 0, 0, 0]
    assert then[0] == objects(ask("get", data, "Account", 1, "--at", 6, "--json")[1])[0]
    assert [page["key"] for page in objects(ask("scan", data, "Account", "--at", 1, "--json")[1])] == [1, 2]
    assert ask("scan", data, "Account", "--at", -1, "--json")[1] == ""
    assert ask("scan", data, "Account", "--limit", 1)[1].splitlines()[1:] == ["      1     11  owner 1       50      2"]


def test_scan_refuses_a_partition_that_is_not_there(ask, data):
    code, _, err = ask("scan", data, "Account", "--partition", 1)
    assert code not in (Exit.DONE, Exit.NO_PAGE)
    assert "--partition: expected 0 to 0, found 1" in err


def test_history_says_what_was_trimmed(ask, folder, monkeypatch):
    class Trimmed:
        def __init__(self, source):
            self._source = source

        def __getattr__(self, name):
            return getattr(self._source, name)

        def history(self, *asked):
            return History(self._source.history(*asked), 1_042)

    inner = sources.source_of

    class Sources:
        def __init__(self, data):
            self._inner = inner(data)

        def __enter__(self):
            return Trimmed(self._inner.__enter__())

        def __exit__(self, *error):
            return self._inner.__exit__(*error)

    monkeypatch.setattr(pages, "source_of", Sources)
    assert ask("history", folder, "Account", 1)[1].splitlines()[-1] == "changes before intent offset 1042 were trimmed"
    assert objects(ask("history", folder, "Account", 1, "--json")[1])[-1] == {"trimmed": 1042}
    code, out, _ = ask("history", folder, "Account", 77)
    assert (code, out.splitlines()[-1]) == (Exit.DONE, "changes before intent offset 1042 were trimmed")
