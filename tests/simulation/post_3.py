"""The third release of post.py: coins are held, moves are many, and there is no scrap any more."""

import mmsb
from mmsb import i64, u64

app = mmsb.App("post", generation=3)


@app.page(key=u64, dropped="scrap")
class Box(mmsb.Page):
    held: i64 = mmsb.field(ge=0, le=60, was="coins")
    moves: i64 = mmsb.field(default=7)


@app.intent
class Fill(mmsb.Intent):
    box: u64
    coins: i64 = mmsb.field(gt=0)

    def query(self):
        return Box[self.box]

    def delta(self, box: Box) -> None:
        box.held += self.coins
        box.moves += 1


@app.intent
class Return(mmsb.Intent):
    src: u64
    coins: i64

    def query(self):
        return Box[self.src]

    def delta(self, box: Box) -> None:
        box.held += self.coins


@app.intent(on_rejected="Return")
class Arrive(mmsb.Intent):
    src: u64
    dst: u64
    coins: i64

    def query(self):
        return Box[self.dst]

    def delta(self, box: Box) -> None:
        box.held += self.coins


@app.intent
class Send(mmsb.Intent):
    src: u64
    dst: u64
    coins: i64 = mmsb.field(gt=0)

    def query(self):
        return Box[self.src]

    def delta(self, box: Box) -> None:
        box.held -= self.coins
        mmsb.emit(Arrive(self.src, self.dst, self.coins))
