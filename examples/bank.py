"""A bank: accounts, transfers between them, and an overdraft that never happens."""

import mmsb
from mmsb import i64, u64

app = mmsb.App("bank", generation=1)


@app.page(key=u64)
class Account(mmsb.Page):
    owner: str = mmsb.text(24)
    balance: i64 = mmsb.field(ge=0)  # an invariant, checked on the whole page after every delta
    moves: i64


@app.intent
class Open(mmsb.Intent):
    account: u64
    owner: str = mmsb.text(24)

    def query(self):
        return Account[self.account]

    def delta(self, account: Account) -> None:
        if mmsb.exists(account):
            mmsb.reject("the account exists already")
        account.owner = self.owner


@app.intent
class Deposit(mmsb.Intent):
    account: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self):
        return Account[self.account]

    def delta(self, account: Account) -> None:
        account.balance += self.amount
        account.moves += 1


@app.intent
class Transfer(mmsb.Intent):
    src: u64
    dst: u64
    amount: i64 = mmsb.field(gt=0)  # checked before lowering

    def query(self):  # which pages: from the intent alone, at most 8
        return Account[self.src], Account[self.dst]

    def predicate(self, src: Account, dst: Account) -> bool:  # may it happen? (read only)
        return src.balance >= self.amount

    def delta(self, src: Account, dst: Account) -> None:  # on scratch copies
        src.balance -= self.amount
        dst.balance += self.amount
        src.moves += 1
        dst.moves += 1
