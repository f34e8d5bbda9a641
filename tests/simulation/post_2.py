"""The second release of post.py: boxes count how often they were filled, and single coins are scrap."""

import mmsb
from mmsb import i16, i32, i64, u64

app = mmsb.App("post", generation=2)


@app.page(key=u64)
class Box(mmsb.Page):
    coins: i64 = mmsb.field(ge=0, le=60)
    moves: i16 = mmsb.field(default=7)
    scrap: i32


@app.intent
class Fill(mmsb.Intent):
    box: u64
    coins: i64 = mmsb.field(gt=0)

    def query(self):
        return Box[self.box]

    def delta(self, box: Box) -> None:
        if self.coins == 1:
            box.scrap += 1
        else:
            box.coins += self.coins
            box.moves += 1


@app.intent
class Return(mmsb.Intent):
    src: u64
    coins: i64

    def query(self):
        return Box[self.src]

    def delta(self, box: Box) -> None:
        box.coins += self.coins


@app.intent(on_rejected="Return")
class Arrive(mmsb.Intent):
    src: u64
    dst: u64
    coins: i64

    def query(self):
        return Box[self.dst]

    def delta(self, box: Box) -> None:
        box.coins += self.coins


@app.intent
class Send(mmsb.Intent):
    src: u64
    dst: u64
    coins: i64 = mmsb.field(gt=0)

    def query(self):
        return Box[self.src]

    def delta(self, box: Box) -> None:
        box.coins -= self.coins
        mmsb.emit(Arrive(self.src, self.dst, self.coins))
