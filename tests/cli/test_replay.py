"""`mmsb replay --to`: the state as it was behind one intent, also in the middle of a block."""

from mmsb.cli.exits import Exit
from tests.cli.running import PARTED, Owner, mmsb, objects


def balances(out: str) -> dict[int, int]:
    return {page["key"]: page["fields"]["balance"] for page in objects(out)[1:]}


def test_a_replay_stops_behind_an_offset(ask, folder):
    assert balances(ask("replay", folder, "--to", 4, "--pages", "--json")[1]) == dict.fromkeys(range(1, 6), 0)
    assert balances(ask("replay", folder, "--to", 6, "--pages", "--json")[1]) == {1: 100, 2: 200, 3: 0, 4: 0, 5: 0}
    code, out, _ = ask("replay", folder, "--to", 10, "--pages", "--json")
    replayed, one, *_ = objects(out)

    assert code == Exit.DONE
    assert (replayed["settled"], replayed["pages"], replayed["live"]) == (10, {"Account": 5}, None)
    assert one == {
        "page": "Account", "key": 1, "partition": 0, "epoch": 11,
        "fields": {"owner": "owner 1", "balance": 50, "moves": 2},
    }  # fmt: skip


def test_the_last_offset_is_all_there_is(ask, folder):
    [whole], [last] = (objects(ask("replay", folder, *more, "--json")[1]) for more in ([], ["--to", 12]))

    assert whole["digest"] == last["digest"]


def test_people_see_pages_as_a_table(ask, folder):
    code, out, _ = ask("replay", folder, "--to", 0, "--pages")

    assert code == Exit.DONE
    assert "this is the state after offset 0" in out
    assert out.splitlines()[-2:] == [
        "Account  epoch  owner    balance  moves",
        "      1      1  owner 1        0      0",
    ]


def test_an_offset_that_is_not_there_is_refused(ask, folder):
    code, _, err = ask("replay", folder, "--to", 13)

    assert code == Exit.CALLER
    assert "expected an offset up to 12, the last that has settled, found 13" in err


def test_among_several_partitions_one_is_named(ask, tmp_path):
    code, data = tmp_path / "shop.py", tmp_path / "data"
    code.write_text(PARTED)
    with Owner(data, str(code), "--partitions", "2"):
        for shop in range(6):
            assert mmsb("submit", data, "Put", f"shop={shop}", "name=x").returncode == Exit.DONE
    found, _, err = ask("replay", data, "--to", 0)
    assert found == Exit.CALLER
    assert "name one with --partition N" in err
    [one, page] = objects(ask("replay", data, "--to", 0, "--partition", 1, "--pages", "--json")[1])
    assert (one["partition"], page["partition"], one["pages"]) == (1, 1, {"Item": 1})
