"""`mmsb migrate`: what a release makes of the pages in a folder, shown before it is done, and done."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from mmsb.cli.exits import Exit
from tests.cli.running import objects
from tests.engine.test_migrating import fill
from tests.project.tree import ROOT

SHOPS = {number: ROOT / f"tests/golden/shop_{number}.py" for number in (1, 2, 3)}
LOSING = """
import mmsb
from mmsb import i16, u64

app = mmsb.App("shop", generation={generation})


@app.page(key=u64, dropped=("name", "price", "tags"{dropped}))
class Item(mmsb.Page):
    count: {type}
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by the first release; nobody writes to it any more."""
    folder = tmp_path_factory.mktemp("shops") / "first"
    asyncio.run(fill(folder, 3))
    return folder


@pytest.fixture
def data(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "data", ignore=shutil.ignore_patterns("socket")))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def losing(folder: Path, generation: int = 2, dropped: str = "", kind: str = "i16") -> Path:
    path = folder / "losing.py"
    path.write_text(LOSING.format(generation=generation, dropped=dropped, type=kind))
    return path


def test_a_dry_run_shows_fields_pages_and_samples_and_changes_nothing(ask, data):
    before = snapshot(data)
    code, out, err = ask("migrate", SHOPS[2], data, "--dry-run")

    assert (code, err) == (Exit.DONE, "")
    lines = out.splitlines()
    assert lines[:7] == [
        "Item: 10 pages",
        "  now   page Item(u64){name:text(8),count:i32,price:i32,tags:i16[2],scrap:text(4)}",
        "  then  page Item(u64){name:text(8),stock:i64,limit:i64,price:i32,tags:i16[2]}",
        "  drop    scrap",
        "  rename  count to stock",
        "  widen   stock to i64",
        "  add     limit = 100",
    ]
    assert lines[7].split() == ["page", "field", "now", "then"]
    assert lines[-1] == "nothing was changed; the next start of this release does it"
    assert snapshot(data) == before


def test_a_machine_gets_an_object_for_each_page_type(ask, data):
    (found,) = objects(ask("migrate", SHOPS[3], data, "--dry-run", "--json")[1])

    assert (found["page"], found["pages"], found["problems"]) == ("Item", 10, [])
    assert found["steps"][0] == {"op": "drop", "field": "scrap"}
    assert len(found["samples"]) == 3
    for sample in found["samples"]:
        before, after = sample["before"], sample["after"]
        assert after == {
            "title": before["name"], "stock": before["count"], "limit": 100, "price": 5, "tags": [*before["tags"], 0]
        }  # fmt: skip


def test_without_dry_run_it_is_done_and_then_there_is_nothing_to_do(ask, data):
    assert ask("migrate", SHOPS[2], data)[1].splitlines()[-1] == "migrated"
    code, out, _ = ask("migrate", SHOPS[2], data, "--dry-run")
    assert (code, out) == (Exit.DONE, "nothing to migrate: all pages have the layouts of their classes\n")
    page = objects(ask("get", data, "Item", 3, "--json")[1])[0]
    assert page["fields"] == {"name": "item 3", "stock": 15, "limit": 100, "price": 5, "tags": [0, -1]}
    *_, last = objects(ask("history", data, "Item", 3, "--json")[1])
    assert (last["fields"]["stock"], last["generation"]) == (30, 1)
    assert ask("verify", data)[0] == Exit.DONE


def test_what_would_be_lost_is_refused_with_advice(ask, data, tmp_path):
    before = snapshot(data)
    code, out, _ = ask("migrate", losing(tmp_path), data)

    assert code == Exit.CALLER
    assert "  PROBLEM count was i32 and is i16, which does not hold all that it held" in out
    assert "  PROBLEM scrap is no field of the class any more" in out
    assert "`intent Put{item:u64,count:i32,name:text(8)}` is not known any more" in out
    assert snapshot(data) == before
    found = objects(ask("migrate", tmp_path / "losing.py", data, "--dry-run", "--json")[1])
    assert len(found[0]["problems"]) == 2
    assert [each["after"] for each in found[0]["samples"]] == [None] * 3
    assert len([each for each in found if "unknown" in each]) == 3


def test_it_says_so_if_the_generation_must_be_higher(ask, data, tmp_path):
    path = losing(tmp_path, 1, ', "scrap"', "mmsb.i64")
    code, out, err = ask("migrate", path, data, "--dry-run")

    assert code == Exit.CONFLICT
    assert "  widen   count to i64" in out
    assert "set generation=2 in mmsb.App" in err
    assert json.loads(ask("migrate", path, data, "--dry-run", "--json")[1].splitlines()[0])["page"] == "Item"
