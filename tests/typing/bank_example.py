"""What the type checkers must understand: the example of the design, and uses of it. Never run, only checked."""

from typing import assert_type

import mmsb
from mmsb import i64, u64

app = mmsb.App("bank", generation=1)


@app.page(key=u64)  # or i64, mmsb.text(32), mmsb.blob(16), or a tuple
class Account(mmsb.Page):  # a fixed-size page, one per key
    owner: str = mmsb.text(24)
    balance: i64 = mmsb.field(ge=0)  # an invariant, checked on the whole page after every delta
    moves: i64


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


@app.page(key=(u64, mmsb.text(3)), partition_by=0, dropped="limit")
class Wallet(mmsb.Page):
    levels: list[i64] = mmsb.array(4, was=("steps", "stages"))
    rate: mmsb.f64
    tag: bytes = mmsb.blob(16, was="label")


@app.intent(on_rejected="Transfer")
class Reset(mmsb.Intent):
    src: u64
    dst: u64
    amount: i64

    def query(self):
        return Wallet[self.src, "EUR"]

    def delta(self, wallet: Wallet) -> None:
        if mmsb.exists(wallet):
            wallet.levels[0] = mmsb.now()
            wallet.rate = mmsb.sqrt(wallet.rate)
        else:
            mmsb.emit(Transfer(self.src, self.dst, self.amount))


assert_type(Account[1], mmsb.Ref[Account])
assert_type(Wallet[1, "EUR"], mmsb.Ref[Wallet])
assert_type(Transfer(1, 2, 10), Transfer)
assert_type(Transfer(src=1, dst=2, amount=10).amount, int)


def read(account: Account, wallet: Wallet) -> None:
    assert_type(account.owner, str)
    assert_type(account.balance, int)
    assert_type(account.moves, int)
    assert_type(wallet.levels, list[int])
    assert_type(wallet.rate, float)
    assert_type(wallet.tag, bytes)


made: type[Account] = Account
asked: type[Transfer] = Transfer
