"""An engine that starts over pages of another layout migrates them first, or says what to write: nothing is lost."""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmsb
from mmsb import i64, u64
from mmsb.processors.intake import read_batches
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.state.home import home
from mmsb.streams import opening
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import HOME, INTENTS, MEMORY_MIN, TLOG
from mmsb.streams.log import Reader
from mmsb.streams.past.folding import fold_partition, read_mark
from mmsb.streams.past.verifying import Summary, verify
from tests.golden import shop_1, shop_2, shop_3

COUNTS = [1, 3]


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


async def fill(folder: Path, partitions: int = 1) -> None:
    """Items 0 to 9; of 3 half went to 12, and 4 is gone."""
    async with shop_1.app.run(data=folder, partitions=partitions, interpreted=True) as shop:
        for item in range(10):
            await shop.submit(shop_1.Put(item, 10 * item, f"item {item}"), actor="ann")
        await shop.submit(shop_1.Send(3, 12, 15))
        await shop.submit(shop_1.Remove(4))


async def items(shop: mmsb.Bus, page: Any) -> dict[int, Any]:
    return {key: item async for key, item in shop.scan(page)}


def check(folder: Path, migrations: int) -> None:
    """Its logs are sound, digests and all, and hold so many migrate records each."""
    found = list(verify(RealFiles(), folder, lambda *_: None))
    assert all(isinstance(each, Summary) for each in found), found
    for each in found:
        assert isinstance(each, Summary)
        fold_partition(RealFiles(), each.partition).state.check()
        assert kinds(each.partition).count(TlogKind.MIGRATE) == migrations


def kinds(partition: Path) -> list[TlogKind | None]:
    end = read_mark(RealFiles(), partition).tlog
    records = read_batches(Reader(RealFiles(), partition / TLOG, lambda: end).read(0, 1 << 24))
    return [peek(records.value(index)) for index in range(len(records))]


@pytest.mark.parametrize("partitions", COUNTS)
@pytest.mark.parametrize("interpreted", [True, False])
def test_a_new_release_finds_what_an_old_one_wrote(tmp_path: Path, partitions: int, interpreted: bool) -> None:
    async def main() -> None:
        await fill(tmp_path, partitions)
        async with shop_2.app.run(data=tmp_path, interpreted=interpreted) as shop:
            found = await items(shop, shop_2.Item)
            assert sorted(found) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 12]
            assert repr(found[3]) == repr(shop_2.Item(name="item 3", stock=15, limit=100, price=5, tags=[0, -1]))
            assert repr(found[12]) == repr(shop_2.Item(name="", stock=15, limit=100, price=5, tags=[0, -1]))
            await shop.submit(shop_2.Put(3, 5))
            assert (await shop.get(shop_2.Item, 3)).stock == 20
        check(tmp_path, 1)
        async with shop_3.app.run(data=tmp_path, interpreted=interpreted) as shop:
            assert repr(await shop.get(shop_3.Item, 3)) == repr(shop_3.Item(title="item 3", stock=20, tags=[0, -2, 0]))
        check(tmp_path, 2)

    run(main())


@pytest.mark.parametrize("partitions", COUNTS)
def test_a_release_may_be_skipped(tmp_path: Path, partitions: int) -> None:
    async def main() -> None:
        await fill(tmp_path, partitions)
        async with shop_3.app.run(data=tmp_path, interpreted=True) as shop:
            assert repr(await shop.get(shop_3.Item, 3)) == repr(shop_3.Item(title="item 3", stock=15, tags=[0, -1, 0]))
        async with shop_3.app.run(data=tmp_path, interpreted=True) as shop:
            assert len(await items(shop, shop_3.Item)) == 10
        check(tmp_path, 1)

    run(main())


def test_history_and_blame_speak_of_the_fields_that_there_are_now(tmp_path: Path) -> None:
    async def main() -> None:
        await fill(tmp_path)
        async with shop_2.app.run(data=tmp_path, interpreted=True) as shop:
            await shop.submit(shop_2.Put(3, 5, "renamed"))
        async with shop_3.app.run(data=tmp_path, interpreted=True) as shop:
            last, sent, made = await shop.history(shop_3.Item, 3)
            assert [change.page and change.page.stock for change in (last, sent, made)] == [20, 15, 30]
            assert repr(made.page) == repr(shop_3.Item(title="item 3", stock=30, tags=[0, -1, 0]))
            assert [change.fields for change in (last, sent)] == [("title", "stock", "tags"), ("stock",)]
            assert made.fields == ("title", "stock", "limit", "price", "tags")
            assert [change.generation for change in (last, sent, made)] == [2, 1, 1]
            assert (await shop.blame(shop_3.Item, 3, "title")).offset == last.offset
            assert (await shop.blame(shop_3.Item, 5, "stock")).actor == "ann"
            assert (await shop.blame(shop_3.Item, 3, "stock", byte=7)).offset == made.offset  # there since it is wide
            gone, _ = await shop.history(shop_3.Item, 4)
            assert (gone.page, gone.kind) == (None, mmsb.EventKind.DELETED)

    run(main())


async def take(events: Any, count: int) -> list[Any]:
    found = [await anext(events) for _ in range(count)]
    await events.aclose()
    return found


@pytest.mark.parametrize("elsewhere", [False, True])
def test_consumers_that_are_behind_get_events_in_the_fields_that_there_are_now(tmp_path: Path, elsewhere: bool) -> None:
    async def main() -> None:
        await fill(tmp_path)
        async with shop_2.app.run(data=tmp_path, interpreted=True) as shop:
            await shop.submit(shop_2.Put(3, 5, "renamed"))
        async with shop_3.app.run(data=tmp_path, interpreted=True) as shop:
            if elsewhere:
                async with mmsb.connect(tmp_path, shop_3.app) as client:
                    await consume(client)
            else:
                await consume(shop)

    async def consume(shop: mmsb.Bus) -> None:
        item = shop_3.Item
        every = await take(shop.events(item, after=mmsb.FROM_THE_START), 14)
        assert [event.key for event in every[:11]] == [*range(10), 3]
        stocks = {event.key: event.page and event.page.stock for event in every}
        assert (stocks[3], stocks[4], stocks[9], stocks[12]) == (20, None, 90, 15)
        assert repr(every[3].page) == repr(item(title="item 3", stock=30, tags=[0, -1, 0]))
        assert every[3].fields == ("title", "stock", "limit", "price", "tags")
        assert every[10].fields == ("stock",)
        behind = await take(shop.events(item, after={0: every[9].position}), 4)
        assert behind == every[10:]
        assert await take(shop.events(item, key=3, after=mmsb.FROM_THE_START), 3) == [every[3], every[10], every[13]]
        titled = shop.events(item, fields=["title"], after=mmsb.FROM_THE_START)
        assert [event.key for event in await take(titled, 12)] == [*range(10), 12, 3]

    run(main())


def test_a_change_of_what_is_gone_is_no_event_any_more(tmp_path: Path) -> None:
    old, new = mmsb.App("scraps", generation=1), mmsb.App("scraps", generation=2)

    class Item(mmsb.Page):
        count: i64
        scrap: i64

    old.page(key=u64)(Item)

    @old.intent
    class Set(mmsb.Intent):
        count: i64
        scrap: i64

        def query(self):
            return Item[1]

        def delta(self, item: Item) -> None:
            item.count = self.count
            item.scrap = self.scrap

    newer: Any = type("Item", (mmsb.Page,), {"__annotations__": {"count": i64}, "__module__": __name__})
    new.page(key=u64, dropped="scrap")(newer)

    async def main() -> None:
        async with old.run(data=tmp_path, interpreted=True) as bus:
            for count, scrap in ((0, 1), (0, 2), (5, 2)):
                await bus.submit(Set(count, scrap))
        async with new.run(data=tmp_path, interpreted=True) as bus:
            events = await take(bus.events(newer, after=mmsb.FROM_THE_START), 2)
            assert [(event.offset, event.page.count) for event in events] == [(0, 0), (2, 5)]
            found = await bus.history(newer, 1)
            assert [(change.offset, change.fields) for change in found] == [(2, ("count",)), (1, ()), (0, ("count",))]

    run(main())


def test_what_waits_in_the_log_is_applied_to_the_new_pages(tmp_path: Path) -> None:
    """Intents that were logged and not settled when the old release died; their type is that of the new release too."""

    async def main() -> None:
        await fill(tmp_path)
        shutil.copytree(tmp_path / "0", tmp_path / "earlier")
        async with shop_1.app.run(data=tmp_path, interpreted=True) as shop:
            await shop.submit(shop_1.Put(3, 7))
        shutil.rmtree(tmp_path / "earlier" / INTENTS)
        (tmp_path / "0" / INTENTS).rename(tmp_path / "earlier" / INTENTS)
        shutil.rmtree(tmp_path / "0")
        (tmp_path / "earlier").rename(tmp_path / "0")
        async with shop_2.app.run(data=tmp_path, interpreted=True) as shop:
            """Leaving it settles what was logged."""
        async with shop_2.app.run(data=tmp_path, interpreted=True) as shop:
            assert (await shop.get(shop_2.Item, 3)).stock == 22
        check(tmp_path, 1)

    run(main())


class Died(BaseException):
    """As if the process were killed there."""


@pytest.mark.parametrize("partitions", COUNTS)
def test_a_start_that_dies_between_claim_and_migration_is_made_up_for(
    tmp_path: Path, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        await fill(tmp_path, partitions)
        append = opening.append_entry

        def dying(tlog: Any, entry: Any, time_ms: int) -> int:
            if entry.key == TlogKind.MIGRATE.key:
                raise Died
            return append(tlog, entry, time_ms)

        for _ in range(2):
            monkeypatch.setattr(opening, "append_entry", dying)
            with pytest.raises(Died):
                async with shop_2.app.run(data=tmp_path, interpreted=True):
                    raise AssertionError("it died")
            monkeypatch.undo()
        with pytest.raises(mmsb.GenerationConflict, match=r"generation 2 has run here already, .* generation=3"):
            async with shop_1.app.run(data=tmp_path, interpreted=True):
                raise AssertionError("an older generation")
        async with shop_2.app.run(data=tmp_path, interpreted=True) as shop:
            assert len(await items(shop, shop_2.Item)) == 10
        assert kinds(tmp_path / "0")[-4:] == [*[TlogKind.CLAIM] * 3, TlogKind.MIGRATE]
        check(tmp_path, 1)

    run(main())


def test_the_old_code_goes_on_under_the_next_generation_with_its_layout_reversed(tmp_path: Path) -> None:
    app = mmsb.App("shop", generation=3)

    @app.page(key=u64, dropped="limit")
    class Item(mmsb.Page):
        name: str = mmsb.text(8)
        count: i64 = mmsb.field(ge=0, was="stock")  # cannot be narrow again
        price: mmsb.i32 = mmsb.field(default=5)
        tags: list[mmsb.i16] = mmsb.array(2)
        scrap: str = mmsb.text(4)

    async def main() -> None:
        await fill(tmp_path)
        async with shop_2.app.run(data=tmp_path, interpreted=True) as shop:
            await shop.submit(shop_2.Put(3, 5))
        async with app.run(data=tmp_path, interpreted=True) as shop:
            assert repr(await shop.get(Item, 3)) == repr(Item(name="item 3", count=20, scrap="", tags=[0, -2]))
        check(tmp_path, 2)

    run(main())


def test_what_would_lose_something_does_not_start_and_changes_nothing(tmp_path: Path) -> None:
    app = mmsb.App("shop", generation=2)

    @app.page(key=u64)
    class Item(mmsb.Page):
        title: str = mmsb.text(8)
        count: mmsb.i16
        price: mmsb.f64
        tags: list[mmsb.i16] = mmsb.array(2)
        scrap: str = mmsb.text(4)

    async def main() -> None:
        await fill(tmp_path, 3)
        before = [kinds(tmp_path / str(number)) for number in range(3)]
        with pytest.raises(mmsb.InvalidValue) as refused:
            async with app.run(data=tmp_path, interpreted=True):
                raise AssertionError("it would lose something")
        said = str(refused.value)
        assert said.startswith("Item: pages in the data are `page Item(u64){name:text(8),count:i32,price:i32,")
        assert "and the class is `page Item(u64){title:text(8),count:i16,price:f64," in said
        for advice in (
            "name is no field of the class any more; write was='name' at the field that it has become",
            "count was i32 and is i16, which does not hold all that it held",
            "price was i32 and is f64",
        ):
            assert advice in said
        assert [kinds(tmp_path / str(number)) for number in range(3)] == before

    run(main())


def test_another_layout_needs_another_generation(tmp_path: Path) -> None:
    app = mmsb.App("shop", generation=1)

    @app.page(key=u64, dropped=("name", "price", "tags", "scrap"))
    class Item(mmsb.Page):
        count: i64

    async def main() -> None:
        await fill(tmp_path)
        with pytest.raises(mmsb.GenerationConflict, match="set generation=2 in"):
            async with app.run(data=tmp_path, interpreted=True):
                raise AssertionError("it was not raised")
        async with app.run(data=tmp_path, interpreted=True, dev=True) as shop:
            assert (await shop.get(Item, 5)).count == 50
            assert (await shop.stats()).generation == 2
        check(tmp_path, 1)

    run(main())


def test_a_key_and_what_decides_the_partition_stay(tmp_path: Path) -> None:
    keyed, parted = mmsb.App("shop", generation=2), mmsb.App("shop", generation=2)

    @keyed.page(key=i64, dropped=("name", "price", "tags", "scrap"))
    class Item(mmsb.Page):
        count: i64

    @parted.page(key=(u64, mmsb.text(4)))
    class Shelf(mmsb.Page):
        moves: i64

    async def main() -> None:
        await fill(tmp_path, 3)
        for app, message in ((keyed, "Item: .* a page keeps its key"), (parted, "Shelf: .* partition_by was")):
            with pytest.raises(mmsb.InvalidValue, match=message):
                async with app.run(data=tmp_path, interpreted=True):
                    raise AssertionError("it was not raised")

    run(main())


@pytest.mark.parametrize("waiting", [False, True], ids=["at the start", "found in the log"])
def test_pages_beyond_memory_are_all_converted(tmp_path: Path, waiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever writes the migrate record, and by whoever finds it; a few come at a time, and others go."""
    monkeypatch.setattr(home, "ROWS_AT_ONCE", 63)
    first, count = 104_857, 104_950  # with one more there are twice as many buckets, in rows of two

    async def main() -> None:
        async with shop_1.app.run(data=tmp_path, memory=MEMORY_MIN) as shop:
            await shop.submit_many(shop_1.Put, {"item": np.arange(first), "count": np.arange(first)})
        async with shop_1.app.run(data=tmp_path, memory=MEMORY_MIN) as shop:
            more = np.arange(first, count)
            await shop.submit_many(shop_1.Put, {"item": more, "count": more})
        if waiting:
            shutil.copytree(tmp_path / "0" / HOME, tmp_path / "home")
        async with shop_2.app.run(data=tmp_path, memory=MEMORY_MIN) as shop:
            assert (await shop.get(shop_2.Item, 777)).stock == 777
        if waiting:
            shutil.rmtree(tmp_path / "0" / HOME)
            (tmp_path / "home").rename(tmp_path / "0" / HOME)
        async with shop_2.app.run(data=tmp_path, memory=MEMORY_MIN) as shop:
            stats = await shop.stats()
            found = {key: item.stock async for key, item in shop.scan(shop_2.Item)}
        assert found == {item: item for item in range(count)}
        assert stats.partitions[0].digest == fold_partition(RealFiles(), tmp_path / "0").digest.pack().hex()
        check(tmp_path, 1)

    run(main())
