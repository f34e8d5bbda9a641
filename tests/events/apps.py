"""A small application whose pages come, change, go and come again: accounts, and notes about them."""

import mmsb
from mmsb import i64, u64

app = mmsb.App("events", generation=1)


@app.page(key=u64)
class Account(mmsb.Page):
    owner: str = mmsb.text(24)
    balance: i64 = mmsb.field(ge=0)
    moves: i64


@app.page(key=mmsb.text(16))
class Note(mmsb.Page):
    about: u64
    text: str = mmsb.text(56)


@app.intent
class Open(mmsb.Intent):
    account: u64
    owner: str = mmsb.text(24)

    def query(self):
        return Account[self.account]

    def delta(self, account):
        if mmsb.exists(account):
            mmsb.reject("the account exists already")
        account.owner = self.owner


@app.intent
class Close(mmsb.Intent):
    account: u64

    def query(self):
        return Account[self.account]

    def predicate(self, account):
        return mmsb.exists(account)

    def delta(self, account):
        mmsb.delete(account)


@app.intent
class Deposit(mmsb.Intent):
    account: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self):
        return Account[self.account]

    def delta(self, account):
        account.balance += self.amount
        account.moves += 1


@app.intent
class Transfer(mmsb.Intent):
    src: u64
    dst: u64
    amount: i64 = mmsb.field(gt=0)

    def query(self):
        return Account[self.src], Account[self.dst]

    def predicate(self, src, dst):
        return src.balance >= self.amount

    def delta(self, src, dst):
        src.balance -= self.amount
        dst.balance += self.amount
        src.moves += 1
        dst.moves += 1


@app.intent
class Write(mmsb.Intent):
    title: str = mmsb.text(16)
    about: u64
    text: str = mmsb.text(56)

    def query(self):
        return Note[self.title]

    def delta(self, note):
        note.about = self.about
        note.text = self.text
