"""The bank that is measured: the example's rules over accounts of exactly 64 bytes."""

import mmsb
from mmsb import i64, u64

app = mmsb.App("bank", generation=1)


@app.page(key=u64)
class Account(mmsb.Page):
    owner: str = mmsb.text(32)
    number: str = mmsb.text(16)
    balance: i64 = mmsb.field(ge=0)
    moves: i64


@app.intent
class Open(mmsb.Intent):
    account: u64
    owner: str = mmsb.text(32)

    def query(self) -> mmsb.Ref[Account]:
        return Account[self.account]

    def delta(self, account: Account) -> None:
        if mmsb.exists(account):
            mmsb.reject("the account exists already")
        account.owner = self.owner


@app.intent
class Deposit(mmsb.Intent):
    account: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self) -> mmsb.Ref[Account]:
        return Account[self.account]

    def delta(self, account: Account) -> None:
        account.balance += self.amount
        account.moves += 1


@app.intent
class Transfer(mmsb.Intent):
    src: u64
    dst: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self) -> tuple[mmsb.Ref[Account], mmsb.Ref[Account]]:
        return Account[self.src], Account[self.dst]

    def predicate(self, src: Account, dst: Account) -> bool:
        return src.balance >= self.amount

    def delta(self, src: Account, dst: Account) -> None:
        src.balance -= self.amount
        dst.balance += self.amount
        src.moves += 1
        dst.moves += 1
