"""A shop, as its first release was: what data folders in tests/golden/folders were written by. Never changed."""

import mmsb
from mmsb import i16, i32, i64, u64

app = mmsb.App("shop", generation=1)


@app.page(key=u64)
class Item(mmsb.Page):
    name: str = mmsb.text(8)
    count: i32 = mmsb.field(ge=0)
    price: i32 = mmsb.field(default=5)
    tags: list[i16] = mmsb.array(2)
    scrap: str = mmsb.text(4)


@app.page(key=(u64, mmsb.text(4)), partition_by=0)
class Shelf(mmsb.Page):
    moves: i64


@app.intent
class Put(mmsb.Intent):
    item: u64
    count: i32
    name: str = mmsb.text(8, default="")

    def query(self):
        return Item[self.item], Shelf[self.item, "in"]

    def delta(self, item: Item, shelf: Shelf) -> None:
        if self.name != "":
            item.name = self.name
        item.count += self.count
        item.tags[1] -= 1
        item.scrap = "old"
        shelf.moves += 1


@app.intent
class Send(mmsb.Intent):
    item: u64
    to: u64
    count: i32

    def query(self):
        return Item[self.item]

    def delta(self, item: Item) -> None:
        item.count -= self.count
        mmsb.emit(Put(item=self.to, count=self.count))


@app.intent
class Remove(mmsb.Intent):
    item: u64

    def query(self):
        return Item[self.item]

    def delta(self, item: Item) -> None:
        mmsb.delete(item)
