"""`mmsb log` with conditions, over a folder that nobody runs and over one that somebody does."""

import pytest

from mmsb.cli.exits import Exit
from mmsb.schemas.ids import make_id
from tests.cli.running import objects


def offsets(out: str) -> list[int]:
    return [each["offset"] for each in objects(out)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["--type", "Transfer"], [10, 11]),
        (["--actor", "bob"], [5, 6, 7, 8, 9]),
        (["--actor", "alice", "--type", "Transfer"], [10]),
        (["--actor", "nobody"], []),
        (["--id", "open-3"], [2, 12]),
        (["--id", make_id("open-3").hex()], [2, 12]),
        (["--correlation", "lease"], [10]),
        (["--status", "rejected"], [11]),
        (["--status", "duplicate", "--from", 0], [12]),
        (["--actor", "alice", "--from", 2, "--to", 10], [2, 3, 4, 10]),
        (["--actor", "alice", "--limit", 2], [4, 10]),
        (["--actor", "alice", "--limit", 2, "--from", 0], [0, 1]),
        (["--until", "2020-01-01"], []),
        (["--since", "2020-01-01", "--limit", 1], [0]),
    ],
)
def test_only_what_fits_all_conditions_is_shown(ask, folder, asked, expected):
    code, out, err = ask("log", folder, *asked, "--json")

    assert (code, err) == (Exit.DONE, "")
    assert offsets(out) == expected


def test_an_intent_without_an_id_is_found_by_the_id_that_names_its_place(ask, folder):
    [caused] = objects(ask("inspect", folder, "--json")[1])
    log_id = next(log["log_id"] for log in caused["logs"] if log["log"] == "tlog")
    place = (0).to_bytes(4, "little") + bytes.fromhex(log_id)[:4] + (11).to_bytes(8, "little")

    assert offsets(ask("log", folder, "--id", place.hex(), "--json")[1]) == [11]


def test_times_split_the_log_where_they_say(ask, folder):
    entries = objects(ask("log", folder, "--from", 0, "--json")[1])
    middle = entries[6]["time"]
    before = offsets(ask("log", folder, "--until", middle, "--json")[1])
    since = offsets(ask("log", folder, "--since", middle, "--json")[1])

    assert before + since == list(range(13))
    assert before == [each["offset"] for each in entries if each["time"] < middle]


def test_mistakes_say_what_to_write(ask, folder):
    for asked, said in (
        (["--type", "Transfr"], "did you mean 'Transfer'?"),
        (["--since", "yesterday"], "expected a time as 2026-03-01"),
        (["--status", "done"], "--status"),
    ):
        code, _, err = ask("log", folder, *asked)
        assert code == Exit.CALLER
        assert said in err


def test_people_are_told_that_nothing_fits(ask, folder):
    assert ask("log", folder, "--actor", "nobody")[1:] == ("", "nothing that fits has settled\n")


def test_it_reads_beside_the_process_that_runs_the_folder(ask, served):
    assert offsets(ask("log", served, "--actor", "bob", "--json")[1]) == [5, 6, 7, 8, 9]
