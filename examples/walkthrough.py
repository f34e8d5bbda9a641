"""The bank in five minutes: intents in, blocks out, and a replay that agrees. Run it from the repository's root:

    python -m examples.walkthrough

There is no IO here: a list stands for the TLog, and what a log would do is the one function `append`.
"""

import mmsb
from examples.bank import Account, Deposit, Open, Transfer, app

genesis = mmsb.Genesis(log_id=bytes(range(16)), app="bank")
tlog: list[tuple[bytes, bytes]] = [(b"genesis", genesis.pack())]
writer = mmsb.Writer(app.bundle(), mmsb.Fold(genesis.pack()), nonce=b"a-reign's-name-1")


def append(entry: mmsb.Entry) -> mmsb.Verdict:
    """What a log would do: take the record, and let the writer read it back."""
    tlog.append((entry.key, entry.value))
    verdict, _ = writer.read(len(tlog) - 1, entry.key, entry.value)
    return verdict


ASKED: list[tuple[str, bytes]] = [
    ("open account 1 for ann", mmsb.pack(Open(1, "ann"))),
    ("open account 2 for bob", mmsb.pack(Open(2, "bob"))),
    ("deposit 100 to account 1, as salary-11", mmsb.pack(Deposit(1, 100), id="salary-11")),
    ("transfer 30 from 1 to 2, for rent", mmsb.pack(Transfer(1, 2, 30), actor="ann", reason="rent")),
    ("deposit 100 to account 1, as salary-11 again", mmsb.pack(Deposit(1, 100), id="salary-11")),
    ("transfer 999, written as JSON", b'{"@type": "Transfer", "src": 1, "dst": 2, "amount": 999}'),
    ("transfer 0, written as JSON", b'{"@type": "Transfer", "src": 1, "dst": 2, "amount": 0}'),
]


def section(title: str) -> None:
    print(f"\n{title}")


def show_plan() -> None:
    section("What Transfer(1, 2, 30) asks for, without running it")
    print(Transfer(1, 2, 30).plan(actor="ann", reason="rent"))


def show_outcomes() -> mmsb.Outcome:
    assert append(writer.claim()).accepted
    records = [mmsb.Record(None, value) for _, value in ASKED]
    entry, outcome = writer.step(mmsb.Records.of(0, records))
    assert append(entry).accepted

    section("What each intent asked, and what it got")
    for offset, (asked, _) in enumerate(ASKED):
        print(f"  {offset}  {asked:<46}{answer(outcome, offset)}")
    return outcome


def answer(outcome: mmsb.Outcome, offset: int) -> str:
    """One outcome in words: a rejection says its code and why, a duplicate where it was seen first."""
    row = outcome[offset]
    if row.rejection is not None:
        return f"rejected, {row.rejection.code.name.lower()}: {writer.machine.explain(row)}"
    if row.status is mmsb.Status.DUPLICATE:
        return f"duplicate of offset {row.first_offset}"
    return row.status.name.lower()


def show_page() -> None:
    account = writer.machine.read(mmsb.Query(Account[1]))
    section("One page, as it stands now")
    print(f"  {account!r}, last changed by the intent at offset {mmsb.epoch_of(account) - 1}")


def show_replay(outcome: mmsb.Outcome) -> None:
    replay = mmsb.Fold(tlog[0][1])
    for offset, (key, value) in enumerate(tlog[1:], start=1):
        replay.read(offset, key, value)
    assert replay.digest == outcome.digest

    section(f"The {len(tlog)} records of the TLog, replayed without the bank's code")
    print(f"  digest of the writer  {outcome.digest.pack().hex()}")
    print(f"  digest of the replay  {replay.digest.pack().hex()}, which is equal")


if __name__ == "__main__":
    show_plan()
    stepped = show_outcomes()
    show_page()
    show_replay(stepped)
