"""Money between accounts of any partition: a withdrawal here, a credit there, and the money back if that cannot be.

No intent reaches into two partitions. `Send` takes the money and emits `Credit`, which is relayed to the partition of
the other account exactly once; where that is rejected, `Refund` makes up for it.
"""

import mmsb
from mmsb import i64, u64

app = mmsb.App("remittances", generation=1)


@app.page(key=u64)
class Account(mmsb.Page):
    balance: i64 = mmsb.field(ge=0)
    limit: i64 = mmsb.field(ge=0)  # the most that it may hold
    sent: i64
    received: i64


@app.intent
class Open(mmsb.Intent):
    account: u64
    balance: i64 = mmsb.field(ge=0)
    limit: i64 = mmsb.field(ge=0)

    def query(self):
        return Account[self.account]

    def predicate(self, account: Account) -> bool:
        return not mmsb.exists(account)

    def delta(self, account: Account) -> None:
        account.balance = self.balance
        account.limit = self.limit


@app.intent
class Send(mmsb.Intent):
    src: u64
    dst: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self):
        return Account[self.src]

    def predicate(self, src: Account) -> bool:
        return src.balance >= self.amount

    def delta(self, src: Account) -> None:
        src.balance -= self.amount
        src.sent += 1
        mmsb.emit(Credit(dst=self.dst, amount=self.amount, src=self.src))


@app.intent(on_rejected="Refund")
class Credit(mmsb.Intent):
    dst: u64
    amount: i64
    src: u64

    def query(self):
        return Account[self.dst]

    def predicate(self, dst: Account) -> bool:
        return mmsb.exists(dst) and dst.balance + self.amount <= dst.limit

    def delta(self, dst: Account) -> None:
        dst.balance += self.amount
        dst.received += 1


@app.intent
class Refund(mmsb.Intent):
    src: u64
    amount: i64

    def query(self):
        return Account[self.src]

    def delta(self, src: Account) -> None:
        src.balance += self.amount
