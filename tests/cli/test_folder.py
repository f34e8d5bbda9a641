"""Commands over a folder that nobody runs: no user code, nothing written, and stable names for machines."""

import json
import shutil
from pathlib import Path

from mmsb.cli.exits import Exit
from mmsb.cli.main import main
from tests.cli.running import PARTED, Owner, mmsb, objects

CHANGE = {
    "page", "key", "kind", "partition", "offset", "epoch", "before", "time", "intent", "id", "actor", "reason",
    "correlation", "causation", "trace", "source", "number", "changed", "fields", "tlog", "generation", "bundle",
}  # fmt: skip


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_get_shows_pages_as_a_table(ask, folder):
    code, out, err = ask("get", folder, "Account", 1, 2)

    assert (code, err) == (Exit.DONE, "")
    assert out.splitlines() == [
        "Account  epoch  owner    balance  moves",
        "      1     11  owner 1       50      2",
        "      2     11  owner 2      250      2",
    ]


def test_get_says_which_page_is_not_there(ask, folder):
    code, out, err = ask("get", folder, "Account", 1, 99, "--json")

    assert code == Exit.NO_PAGE
    assert objects(out) == [
        {
            "page": "Account", "key": 1, "partition": 0, "epoch": 11,
            "fields": {"owner": "owner 1", "balance": 50, "moves": 2},
        },
        {"page": "Account", "key": 99, "partition": 0, "epoch": 0, "fields": None},
    ]  # fmt: skip
    assert err == ""
    assert "Account 99 does not exist" in ask("get", folder, "Account", 99)[2]


def test_history_is_newest_first_and_says_who_and_why(ask, folder):
    code, out, _ = ask("history", folder, "Account", 1, "--json")
    newest, middle, oldest = objects(out)

    assert code == Exit.DONE
    assert set(newest) == CHANGE
    assert (newest["intent"], newest["actor"], newest["reason"], newest["changed"]) == (
        "Transfer", "alice", "rent", ["balance", "moves"],
    )  # fmt: skip
    assert (newest["epoch"], newest["before"], middle["epoch"]) == (11, 6, 6)
    assert (oldest["kind"], oldest["offset"], oldest["before"]) == ("created", 0, 0)
    assert newest["correlation"] is not None
    assert newest["causation"] == oldest["id"]


def test_history_stops_at_its_limit_and_says_so(ask, folder):
    code, out, err = ask("history", folder, "Account", 1, "--limit", 2)

    assert code == Exit.DONE
    assert [line.split()[0] for line in out.splitlines()] == ["offset", "10", "5"]
    assert "--limit" in err


def test_blame_names_the_intent_that_gave_a_field_its_value(ask, folder):
    [balance] = objects(ask("blame", folder, "Account", 1, "balance", "--json")[1])
    [owner] = objects(ask("blame", folder, "Account", 1, "owner", "--json")[1])
    code, out, _ = ask("blame", folder, "Account", 1)

    [low] = objects(ask("blame", folder, "Account", 1, "balance", "--byte", 0, "--json")[1])
    [high] = objects(ask("blame", folder, "Account", 1, "balance", "--byte", 7, "--json")[1])

    assert set(balance) == CHANGE | {"field", "value", "byte"}
    assert (low["offset"], low["byte"], high["offset"], low["value"]) == (10, 0, 0, 50)
    assert (balance["offset"], balance["field"], balance["value"]) == (10, "balance", 50)
    assert (owner["offset"], owner["actor"], owner["value"]) == (0, "alice", "owner 1")
    assert code == Exit.DONE
    assert out.startswith("Account 1 came to be, by the intent at offset 0\n")


def test_log_lists_a_range_with_both_ends(ask, folder):
    code, out, _ = ask("log", folder, "--from", 9, "--to", 12, "--json")
    applied, transfer, refused, repeated = objects(out)

    assert code == Exit.DONE
    assert [each["offset"] for each in objects(out)] == [9, 10, 11, 12]
    assert applied["status"] == transfer["status"] == "applied"
    assert [(page["page"], page["key"], page["kind"]) for page in transfer["pages"]] == [
        ("Account", 1, "changed"), ("Account", 2, "changed"),
    ]  # fmt: skip
    assert (refused["status"], refused["rejection"], refused["why"]) == (
        "rejected", "predicate", "the predicate of Transfer said no",
    )  # fmt: skip
    assert (repeated["status"], repeated["first_offset"]) == ("duplicate", 2)


def test_log_without_a_range_shows_the_last_ones(ask, folder):
    _, out, _ = ask("log", folder, "--limit", 2)

    assert [line.split()[0] for line in out.splitlines()] == ["offset", "11", "12"]
    assert "first seen at offset 2" in out


def test_replay_gives_the_digest_that_verify_and_stats_give(ask, folder):
    [replayed] = objects(ask("replay", folder, "--json")[1])
    [verified] = objects(ask("verify", folder, "--json")[1])
    [found] = objects(ask("stats", folder, "--json")[1])
    [partition] = found["partitions"]

    assert replayed["digest"] == verified["digest"] == partition["digest"]
    assert replayed["settled"] == verified["settled"] == partition["settled"] == 12
    assert (replayed["live"], found["running"], partition["lag"]) == (None, False, 0)
    assert partition["pages"] == {"Account": 5}
    assert "nobody runs it" in ask("replay", folder)[1]
    assert "5 Account" in ask("stats", folder)[1]


def test_verify_names_the_file_and_the_byte_of_a_flipped_bit(ask, folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = copy / "0" / "intents" / f"{0:020}.log"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    code, out, _ = ask("verify", copy)
    problem = objects(ask("verify", copy, "--json")[1])[0]

    assert code == Exit.FOUND
    assert f"PROBLEM {path} at byte " in out
    assert set(problem) == {"path", "position", "expected", "found", "next_step"}
    assert ask("verify", folder)[0] == Exit.DONE


def test_diff_names_pages_fields_and_the_intent_that_wrote_them(ask, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    submitted = ("--app", "examples.bank:app", "--interpreted", "--actor", "zoe", "--reason", "gift")
    assert main(["submit", str(copy), *submitted, "Transfer", "src=5", "dst=4", "amount=7"]) == Exit.DONE
    ask()

    code, out, _ = ask("diff", folder, copy, "--json")
    four, five = objects(out)

    assert code == Exit.FOUND
    assert (four["key"], five["key"]) == (4, 5)
    assert four["fields"] == {"balance": [400, 407], "moves": [1, 2]}
    assert (five["offset"], five["intent"], five["actor"], five["reason"], five["written_in"]) == (
        13, "Transfer", "zoe", "gift", "b",
    )  # fmt: skip
    assert "2 differing pages" in ask("diff", copy, folder)[1]
    assert ask("diff", folder, folder)[:2] == (Exit.DONE, "no page differs\n")


def test_inspect_says_what_a_folder_is(ask, folder):
    [found] = objects(ask("inspect", folder, "--json")[1])
    out = ask("inspect", folder)[1]

    assert (found["app"], found["partitions"], found["running"]) == ("bank", 1, False)
    assert [each["generation"] for each in found["reigns"]] == [1]
    assert [page["name"] for page in found["pages"]] == ["Account"]
    assert {each["log"]: each["durable"] for each in found["logs"]} == {
        "intents": 13,
        "tlog": found["logs"][1]["durable"],
    }
    assert "owner: text(24), balance: i64, moves: i64" in out


def test_inspect_lists_the_batches_of_a_segment_as_far_as_they_are_sound(ask, folder, tmp_path):
    path = folder / "0" / "tlog" / f"{0:020}.log"
    code, out, _ = ask("inspect", path, "--json")
    batches = objects(out)
    torn = tmp_path / path.name
    torn.write_bytes(path.read_bytes()[:-1])

    assert code == Exit.DONE
    assert [batch["begins_with"] for batch in batches[:3]] == ["genesis", "claim", "block"]
    assert batches[-1]["byte"] + batches[-1]["bytes"] == path.stat().st_size
    code, out, _ = ask("inspect", torn)
    assert code == Exit.FOUND
    assert f"then, at byte {batches[-1]['byte']:,}: expected" in out


def test_nothing_is_ever_written(ask, folder):
    before = snapshot(folder)
    for command in (
        ("get", folder, "Account", 1), ("history", folder, "Account", 1), ("blame", folder, "Account", 1, "balance"),
        ("log", folder), ("stats", folder), ("replay", folder), ("verify", folder), ("diff", folder, folder),
        ("inspect", folder),
    ):  # fmt: skip
        assert ask(*command)[0] == Exit.DONE

    assert snapshot(folder) == before


def test_keys_of_several_parts_and_partitions(ask, tmp_path):
    code = tmp_path / "shop.py"
    code.write_text(PARTED)
    data = tmp_path / "data"
    with Owner(data, str(code), "--partitions", "3") as owner:
        for shop in range(4):
            assert mmsb("submit", data, "Put", f"shop={shop}", "name=a,b", "count=2").returncode == Exit.DONE
        [running] = objects(mmsb("get", data, "Item", '[2,"a,b"]', "--json").stdout)
    [stored] = objects(ask("get", data, "Item", '[2,"a,b"]', "--json")[1])
    logged = objects(ask("log", data, "--json")[1])

    assert len(owner.ready["partitions"]) == 3
    assert stored == running
    assert (stored["key"], stored["fields"]) == ([2, "a,b"], {"count": 2, "mark": "0000"})
    assert len(logged) == 4
    assert len({each["partition"] for each in logged}) > 1
    assert len(objects(ask("replay", data, "--json")[1])) == 3
    assert "partition 2:" in ask("log", data)[1]
    assert [each["partition"] for each in objects(ask("log", data, "--partition", 1, "--json")[1])] in ([1], [1, 1], [])


def test_what_is_for_machines_is_json_alone(folder):
    for command in (("log", folder), ("stats", folder), ("inspect", folder)):
        done = mmsb(*command, "--json")
        assert done.stderr == ""
        assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())
