"""An application that counts, so that what was lost or happened twice shows."""

import mmsb
from mmsb import i64, u64

app = mmsb.App("tally", generation=1)


@app.page(key=u64)
class Tally(mmsb.Page):
    total: i64
    count: i64
    last: i64


@app.intent
class Count(mmsb.Intent):
    key: u64
    amount: i64

    def query(self):
        return Tally[self.key]

    def predicate(self, tally: Tally) -> bool:
        return self.amount < 1_000_000

    def delta(self, tally: Tally) -> None:
        tally.total += self.amount
        tally.count += 1
        tally.last = self.amount


def fresh_app(name: str = "tally") -> mmsb.App:
    """Without the processors of other tests."""
    app.name = name
    app.processors.clear()
    return app
