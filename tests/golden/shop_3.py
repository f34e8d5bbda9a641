"""The shop's third release: names are long, prices wide, tags more. Never changed."""

import mmsb
from mmsb import i32, i64, u64

app = mmsb.App("shop", generation=3)


@app.page(key=u64, dropped="scrap")
class Item(mmsb.Page):
    title: str = mmsb.text(16, was="name")
    stock: i64 = mmsb.field(ge=0, was="count")
    limit: i64 = mmsb.field(default=100)
    price: i64 = mmsb.field(default=5)
    tags: list[i32] = mmsb.array(3)


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
            item.title = self.name
        item.stock += self.count
        item.tags[1] -= 1
        shelf.moves += 1


@app.intent
class Send(mmsb.Intent):
    item: u64
    to: u64
    count: i32

    def query(self):
        return Item[self.item]

    def delta(self, item: Item) -> None:
        item.stock -= self.count
        mmsb.emit(Put(item=self.to, count=self.count))


@app.intent
class Remove(mmsb.Intent):
    item: u64

    def query(self):
        return Item[self.item]

    def delta(self, item: Item) -> None:
        mmsb.delete(item)
