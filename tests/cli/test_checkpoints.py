"""`mmsb checkpoint`, on a folder that nobody runs and on one that somebody does."""

import json
import os

import pytest

from mmsb.cli.exits import Exit
from tests.cli.running import make, objects


@pytest.fixture
def own(tmp_path):
    """A folder to change."""
    return make(tmp_path / "bank")


@pytest.fixture
def kept(ask, own):
    """The folder, and the name of its one checkpoint."""
    code, said, _ = ask("checkpoint", own, "--json")
    assert code == Exit.DONE
    return own, json.loads(said)["name"]


def test_a_checkpoint_is_made_of_what_was_flushed(ask, own):
    code, said, _ = ask("checkpoint", own)
    assert code == Exit.DONE
    assert said.startswith("partition 0: checkpoint 00000000000000000013-")
    assert "up to intent 12, 5 pages" in said
    assert ask("checkpoint", "make", own)[0] == Exit.DONE
    assert len(os.listdir(own / "0" / "checkpoints")) == 1


def test_checkpoints_are_listed_with_what_they_hold(ask, kept):
    folder, name = kept
    code, said, _ = ask("checkpoint", "list", folder, "--json")
    [found] = objects(said)
    assert (code, found["name"], found["settled"], found["pages"]) == (Exit.DONE, name, 12, {"Account": 5})
    assert found["cause"] == {"kind": "command", "offset": None}
    assert name in ask("checkpoint", "list", folder)[1]


def test_a_running_owner_makes_one(ask, served):
    code, said, _ = ask("checkpoint", served, "--json")
    [made] = objects(said)
    assert (code, made["pages"]) == (Exit.DONE, {"Account": 5})
    stats = json.loads(ask("stats", served, "--json")[1])
    assert stats["partitions"][0]["digest"] == made["digest"]
    assert ask("checkpoint", "verify", served)[0] == Exit.DONE


def test_a_damaged_one_is_named_by_list_or_verify(ask, kept):
    folder, name = kept
    checkpoint = folder / "0" / "checkpoints" / name
    assert ask("checkpoint", "verify", folder)[:2] == (Exit.DONE, f"{checkpoint}: sound\n")
    rows = next((checkpoint / "store").glob("*.sst"))
    rows.write_bytes(rows.read_bytes()[:-1])
    code, said, _ = ask("checkpoint", "verify", folder, "--name", name)
    assert code == Exit.FOUND
    assert f"PROBLEM {checkpoint}: {rows}: expected" in said
    [found] = objects(ask("checkpoint", "verify", folder, "--json")[1])
    assert not found["sound"]
    (checkpoint / "manifest").unlink()
    code, said, _ = ask("checkpoint", "list", folder)
    assert code == Exit.FOUND
    assert f"UNUSABLE {checkpoint}: " in said


def test_a_partition_is_moved(ask, kept, tmp_path):
    folder, _ = kept
    archive, other = tmp_path / "bank.zst", tmp_path / "other"
    code, said, _ = ask("checkpoint", "export", folder, archive, "--json")
    exported = json.loads(said)
    assert (code, exported["event"], exported["archive_bytes"]) == (Exit.DONE, "exported", archive.stat().st_size)
    code, said, _ = ask("checkpoint", "import", archive, other)
    assert code == Exit.DONE
    assert said.startswith(f"imported {other / '0'}: partition 0 up to intent 12")
    [moved], [origin] = (objects(ask("checkpoint", "list", data, "--json")[1]) for data in (other, folder))
    assert moved == origin
    code, _, complained = ask("checkpoint", "import", archive, other)
    assert code == Exit.CALLER
    assert "an import replaces none" in complained


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("list",), "expected `mmsb checkpoint list DATA`, found 0 names"),
        (("export", "a"), "expected `mmsb checkpoint export DATA FILE`, found 1 name"),
        (("a", "b"), "expected `mmsb checkpoint DATA`, found 2 names"),
        (("verify", "FOLDER", "--name", "x"), "--name x: FOLDER/0 has no checkpoint of that name"),
        (("FOLDER", "--name", "x"), "--name is of `mmsb checkpoint verify` and `export`; `make` chooses none"),
        (("list", "FOLDER", "--partition", "7"), "--partition 7: FOLDER has partition 0"),
    ],
)
def test_mistakes_are_explained(ask, folder, given, complaint):
    code, _, complained = ask("checkpoint", *(folder if word == "FOLDER" else word for word in given))
    assert code == Exit.CALLER
    assert complaint.replace("FOLDER", str(folder)) in complained


def test_an_export_needs_a_checkpoint(ask, folder, tmp_path):
    code, _, complained = ask("checkpoint", "export", folder, tmp_path / "out.zst")
    assert code == Exit.ENVIRONMENT
    assert f"make one with `mmsb checkpoint {folder}`" in complained
    assert not (tmp_path / "out.zst").exists()
