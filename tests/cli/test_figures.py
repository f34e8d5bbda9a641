"""`mmsb stats`: the same names whether a process answers or the folder is read, in a table that fits a terminal."""

from dataclasses import fields

import pytest

from mmsb.cli.exits import Exit
from mmsb.streams.stats import PartitionStats
from tests.cli.running import make, objects

WIDTH = 100


def test_a_folder_says_what_a_process_says_as_far_as_it_knows(ask, folder, served):
    for data in (folder, served):
        [found] = objects(ask("stats", data, "--json")[1])
        [partition] = found["partitions"]
        assert set(partition) == {field.name for field in fields(PartitionStats)} | {"lag"}
        assert partition["flushed"] == partition["settled"] == 12
        assert (partition["page_hits"] is None) is not found["running"]


def test_the_tables_tell_of_the_home_and_fit_a_terminal(ask, folder, served):
    for data in (folder, served):
        code, out, _ = ask("stats", data)
        [*_, head, row] = [line for line in out.splitlines() if not line.startswith("since its start")]
        assert code == Exit.DONE
        assert "flushed" in head
        assert "evictions" in head
        assert row.split()[1] == "12"
        assert max(map(len, out.splitlines())) <= WIDTH


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
