"""Boxes that hold few coins and send them to each other, so that follow-ups cross partitions and some are sent back."""

import mmsb
from mmsb import i64, u64
from tests.model.bundle import Bundle, Field, Intent, Page, Tree

app = mmsb.App("post")
FULL = 60


@app.page(key=u64)
class Box(mmsb.Page):
    coins: i64 = mmsb.field(ge=0, le=60)


@app.intent
class Fill(mmsb.Intent):
    box: u64
    coins: i64 = mmsb.field(gt=0)

    def query(self):
        return Box[self.box]

    def delta(self, box: Box) -> None:
        box.coins += self.coins


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


COINS: Tree = ("arg", "coins")
POSITIVE = Field("coins", "i64", (("gt", 0),))
SRC, DST, ANY = Field("src", "u64"), Field("dst", "u64"), Field("coins", "i64")


def _moves(
    name: str, fields: tuple[Field, ...], box: str, op: str, *more: Tree, on_rejected: str | None = None
) -> Intent:
    change: Tree = ("aug", op, ("get", "box", "coins"), COINS)
    return Intent(name, fields, (("Box", (("arg", box),)),), ("box",), (change, *more), on_rejected=on_rejected)


POST = Bundle(
    "post",
    (Page("Box", ("u64",), (Field("coins", "i64", (("ge", 0), ("le", FULL))),)),),
    (
        _moves("Fill", (Field("box", "u64"), POSITIVE), "box", "+"),
        _moves("Return", (SRC, ANY), "src", "+"),
        _moves("Arrive", (SRC, DST, ANY), "dst", "+", on_rejected="Return"),
        _moves(
            "Send",
            (SRC, DST, POSITIVE),
            "src",
            "-",
            ("emit", "Arrive", ((None, ("arg", "src")), (None, ("arg", "dst")), (None, COINS))),
        ),
    ),
)
