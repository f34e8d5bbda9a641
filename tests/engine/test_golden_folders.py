"""What earlier releases have left is sound, comes to the state that it came to then, and opens with the newest one."""

import asyncio
import json
import shutil
import struct
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import pytest

import mmsb
from mmsb.cli.main import main as cli
from mmsb.processors.intake import read_batches
from mmsb.streams.engine import Engine
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import TLOG
from mmsb.streams.log import Reader
from mmsb.streams.past.folding import read_mark
from mmsb.streams.past.verifying import Summary, verify
from tests.golden import shop_1, shop_2, shop_3
from tests.golden.make_folders import EXPECTED, FOLDERS, standing
from tests.model import fold as model_fold

NAMES = sorted(path.name for path in FOLDERS.iterdir())

FIRST = {
    **{item: (f"item {item}", 10 * item, [0, -1, 0]) for item in (0, 1, 2, 6, 7, 8, 9)},
    3: ("item 3", 15, [0, -1, 0]),
    4: ("again", 1, [0, -1, 0]),
    12: ("", 15, [0, -1, 0]),
}
SECOND = {**FIRST, 3: ("renamed", 20, [0, -2, 0]), 4: ("again", 3, [0, -2, 0]), 13: ("", 6, [0, -1, 0])}
HOUSED = {**FIRST, 4: ("again", 3, [0, -2, 0]), 13: ("", 6, [0, -1, 0])}
ITEMS = {"first": FIRST, "claimed": FIRST, "second": SECOND, "housed": HOUSED}

DIGESTS = {
    "first": ["d5ad6c9e6bfdc0abea1d8a5aa56c7dbd", "474f3c1021b5435462eef40730de0dbf"],
    "claimed": ["f1d61573894dd9f3fd26388402553a94", "742595b721c8ca9f1979ae7aa93688e8"],
    "second": ["ec32e96d380be7fcb9d246b7ff30fd52", "65f26b80d77cd9591ddb1f712a738293"],
    "housed": ["16886d582cc9c93235efb5b5c01729eb", "1f0f1496e2d3ecf04209529bc48e1b9a"],
}
"""Of both partitions with the pages of the third release: what a migration comes to may never change either."""


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDERS / name, tmp_path / name, ignore=shutil.ignore_patterns(EXPECTED)))


def are_sound(folder: Path) -> bool:
    return all(isinstance(found, Summary) for found in verify(RealFiles(), folder, lambda *_: None))


def models_digest(partition: Path) -> str:
    """What the independent model finds in its TLog."""
    end = read_mark(RealFiles(), partition).tlog
    records = read_batches(Reader(RealFiles(), partition / TLOG, lambda: end).read(0, 1 << 24))
    reader = model_fold.Fold()
    for index in range(end):
        assert reader.feed(records.key(index), records.value(index)) == model_fold.ACCEPTED
    return struct.pack("<QQ", *reader.digest).hex()


def test_it_is_sound_and_comes_to_what_it_came_to(name: str, folder: Path) -> None:
    assert are_sound(folder)
    assert standing(folder) == json.loads((FOLDERS / name / EXPECTED).read_text("utf-8"))


def test_the_newest_release_opens_it_with_all_that_is_in_it(name: str, folder: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with shop_3.app.run(data=folder, interpreted=True) as shop:
                found = {key: (item.title, item.stock, list(item.tags)) async for key, item in shop.scan(shop_3.Item)}
                assert found == ITEMS[name]
                assert {(item.limit, item.price) async for _, item in shop.scan(shop_3.Item)} == {(100, 5)}
                stats = await shop.stats()
                assert [partition.digest for partition in stats.partitions] == DIGESTS[name]
        assert are_sound(folder)
        assert [each["digest"] for each in standing(folder)] == DIGESTS[name]
        assert [models_digest(folder / number) for number in "01"] == DIGESTS[name]

    run(main())


def test_its_past_is_told_in_the_fields_of_today(name: str, folder: Path) -> None:
    async def main() -> None:
        async with shop_3.app.run(data=folder, interpreted=True) as shop:
            changes = [change for change in await shop.history(shop_3.Item, 4) if change.generation == 1]
            assert [change.kind for change in changes[-3:]] == [
                mmsb.EventKind.CREATED, mmsb.EventKind.DELETED, mmsb.EventKind.CREATED
            ]  # fmt: skip
            *_, oldest = changes
            assert repr(oldest.page) == repr(shop_3.Item(title="item 4", stock=40, tags=[0, -1, 0]))
            assert (oldest.actor, oldest.reason) == ("ann", "new")
            gone, made = await shop.history(shop_3.Item, 5)
            assert (gone.page, made.page and made.page.stock) == (None, 50)
            assert (await shop.blame(shop_3.Item, 7, "title")).actor == "ann"
            receipt = await shop.submit(shop_3.Put(0, 5), id="put-0")  # an id that the first release settled
            assert receipt.status == mmsb.Status.DUPLICATE

    run(main())


def test_the_release_that_died_before_it_migrated_does_it_now(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDERS / "claimed", tmp_path / "claimed", ignore=shutil.ignore_patterns(EXPECTED)))

    async def main() -> None:
        async with shop_2.app.run(data=folder, interpreted=True) as shop:
            found = {key: (item.name, item.stock, [*item.tags, 0]) async for key, item in shop.scan(shop_2.Item)}
            assert found == FIRST
        assert are_sound(folder)

    run(main())


def test_a_dry_run_counts_its_pages(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = Path(str(shop_3.__file__))
    assert cli(["migrate", str(third), str(folder), "--dry-run", "--json"]) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["page"], found["pages"], found["problems"]) == ("Item", len(ITEMS[name]), [])


CHECKPOINTED = (f"{6:020}-{8:020}", f"{10:020}-{12:020}")  # of both partitions


@pytest.fixture
def housed(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDERS / "housed", tmp_path / "housed", ignore=shutil.ignore_patterns(EXPECTED)))


def said(capsys: pytest.CaptureFixture[str], code: int, *command: object) -> list[Any]:
    """What a command says to machines."""
    assert cli([*map(str, command), "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_home_of_an_earlier_release_is_gone_on_with(housed: Path) -> None:
    async def main() -> None:
        async with shop_1.app.run(data=housed, interpreted=True) as shop:
            partitions = cast(Engine, shop._door)._partitions  # pyright: ignore[reportPrivateUsage]
            stored = [partition.opened.stored for partition in partitions]
            assert [standing and standing.settled for standing in stored] == [5, 11]
            assert {key: item.count async for key, item in shop.scan(shop_1.Item)} == {
                key: count for key, (_, count, _) in HOUSED.items()
            }
        assert not list(housed.glob("*/home.damaged*"))

    run(main())


def test_a_checkpoint_of_an_earlier_release_takes_the_place_of_a_home_that_is_damaged(housed: Path) -> None:
    damaged = max((housed / "1" / "home").glob("*.sst"))
    damaged.write_bytes(damaged.read_bytes()[:-100])

    async def main() -> None:
        async with shop_1.app.run(data=housed, interpreted=True) as shop:
            assert {key: item.count async for key, item in shop.scan(shop_1.Item)} == {
                key: count for key, (_, count, _) in HOUSED.items()
            }

    with pytest.warns(RuntimeWarning, match=f"begins with checkpoint {CHECKPOINTED[1]}"):
        run(main())


def test_the_command_line_reads_a_home_and_a_checkpoint_of_an_earlier_release(
    housed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {each["problem"] for each in said(capsys, 0, "checkpoint", "verify", housed)} == {None}
    assert [each["name"] for each in said(capsys, 0, "checkpoint", "list", housed)] == list(CHECKPOINTED)
    said(capsys, 0, "verify", housed)
    (item,) = said(capsys, 0, "get", housed, "Item", 4)
    assert (item["epoch"], item["fields"]["count"]) == (12, 3)
    kinds = [change["kind"] for change in said(capsys, 0, "history", housed, "Item", 4)]
    assert kinds == ["changed", "created", "deleted", "created"]
    for partition, name in enumerate(CHECKPOINTED):
        assert said(capsys, 0, "diff", housed, "--partition", partition, "--checkpoint", name) == []
    since = said(capsys, 1, "diff", housed, "--partition", 1, "--at", 9)
    assert {(each["page"], str(each["key"])) for each in since} >= {("Item", "4"), ("Item", "13")}
