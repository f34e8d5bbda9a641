"""`mmsb stats`: the same names whether a process answers or the folder is read, in a table that fits a terminal."""

import re
from dataclasses import fields

import pytest

from mmsb.cli.exits import Exit
from mmsb.streams.stats import PartitionStats
from tests.cli.running import Owner, make, objects
from tests.watching.asking import free_port

WIDTH = 100


def test_a_folder_says_what_a_process_says_as_far_as_it_knows(ask, folder, served):
    for data in (folder, served):
        [found] = objects(ask("stats", data, "--json")[1])
        [partition] = found["partitions"]
        assert set(partition) == {field.name for field in fields(PartitionStats)} | {"lag"}
        assert partition["flushed"] == partition["settled"] == 12
        assert (partition["page_hits"] is None) is not found["running"]


def test_the_table_tells_what_is_flushed_and_fits_a_terminal(ask, folder, served):
    for data in (folder, served):
        code, out, _ = ask("stats", data)
        assert code == Exit.DONE
        assert re.search(r"partition  settled  lag  flushed  pages .*\n +0 +12 +0 +12  5 Account ", out)
        assert max(map(len, out.splitlines())) <= WIDTH


def test_what_pages_take_is_told_by_whoever_has_them(ask, folder, served):
    assert re.search(
        r"in memory  hits  misses  evictions\n +0 +\d+ +\d+\.\d MB +0\.0 MB +0 +0 +0$", ask("stats", served)[1], re.M
    )
    assert "evictions" not in ask("stats", folder)[1]


@pytest.fixture
def moved(ask, tmp_path):
    """A folder that was begun with a checkpoint, and that nothing has run."""
    own, archive, elsewhere = make(tmp_path / "bank"), tmp_path / "bank.zst", tmp_path / "elsewhere"
    for command in (("make", own), ("export", own, archive), ("import", archive, elsewhere)):
        assert ask("checkpoint", *command)[0] == Exit.DONE
    return elsewhere


def test_a_folder_that_came_as_a_checkpoint_is_to_be_started_first(ask, moved):
    for command in (("stats",), ("log",), ("get", "Account", 1)):
        code, _, err = ask(command[0], moved, *command[1:])
        assert code == Exit.ENVIRONMENT
        assert "start it with `mmsb run`" in err


def test_a_home_that_cannot_be_read_is_no_reason_to_say_nothing(ask, tmp_path):
    own = make(tmp_path / "bank")
    assert ask("checkpoint", own)[0] == Exit.DONE
    (own / "0" / "home" / "CURRENT").write_bytes(b"MANIFEST-999999\n")

    [found] = objects(ask("stats", own, "--json")[1])

    assert (found["partitions"][0]["settled"], found["partitions"][0]["flushed"]) == (12, None)


def rows(out: str) -> dict[str, list[str]]:
    """What stands behind each figure's name."""
    head, *lines = (re.split(r"  +", line.strip()) for line in out.splitlines())
    assert head[0] == "figure"
    return {"": head[1:], **{name: values for name, *values in lines}}


def test_two_are_compared_in_two_columns(ask, folder, served):
    code, out, _ = ask("stats", "--compare", folder, served)
    found = rows(out)

    assert code == Exit.DONE
    assert found[""] == [str(folder), str(served)]
    assert found["0 settled"] == ["12", "12"]
    assert found["running"] == ["false", "true"]
    assert (found["0 flushes"][0], found["0 flushes"][1].isdecimal()) == ("-", True)
    assert found["0 pages Account"] == ["5", "5"]
    assert found["0 digest"][0] == objects(ask("stats", folder, "--json")[1])[0]["partitions"][0]["digest"][:16] + "…"


def test_machines_compare_for_themselves(ask, folder, served):
    found = objects(ask("stats", "--compare", folder, served, "--json")[1])

    assert [(each["of"], each["running"]) for each in found] == [(str(folder), False), (str(served), True)]


def test_a_process_is_asked_over_http_as_well(ask, tmp_path):
    port = free_port()
    with Owner(make(tmp_path / "bank"), "examples.bank:app", "--http", str(port)):
        [there] = objects(ask("stats", f"http://127.0.0.1:{port}", "--json")[1])
        [here] = objects(ask("stats", tmp_path / "bank", "--json")[1])
        code, _, err = ask("stats", f"http://127.0.0.1:{port}/elsewhere")

    assert there["partitions"][0]["digest"] == here["partitions"][0]["digest"]
    assert code == Exit.ENVIRONMENT
    assert "expected figures, found 404: there is no /elsewhere/stats" in err
    code, _, err = ask("stats", f"http://127.0.0.1:{port}")
    assert code == Exit.ENVIRONMENT
    assert "name what `mmsb run --http` was given" in err


def test_a_port_that_is_none_is_refused(ask, tmp_path):
    code, _, err = ask("run", "examples.bank:app", "--data", tmp_path / "bank", "--http", "web")

    assert code == Exit.CALLER
    assert "--http: expected a text, [HOST:]PORT" in err
