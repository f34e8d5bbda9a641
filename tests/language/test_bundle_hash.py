"""What is in the bundle's hash and what is not (row 51 of the mission)."""

import os
import subprocess
import sys

import pytest

from tests.language.harness import app_of, load

HELPERS = "LIMIT = 7\n\n\ndef unrelated(x):\n    return x\n\n\ndef capped(x):\n    return min(x, LIMIT)\n"
SOURCE = '''\
import mmsb
import helpers_of_bundle
from helpers_of_bundle import LIMIT as TOP
from mmsb import i64, u64

app = mmsb.App("bank", generation=1, hops_max=4)


@app.page(key=(u64, u64), partition_by=0)
class Account(mmsb.Page):
    balance: i64 = mmsb.field(ge=0, default=3, doc="What is there.")
    owner: str = mmsb.text(8)


def unrelated(x):
    return x + 1


def halved(x):
    return x // 2


@app.intent(on_rejected="Undo")
class Take(mmsb.Intent):
    """Take some."""

    account: u64
    amount: i64 = mmsb.field(gt=0, default=1)

    def query(self):
        return Account[self.account, 1]

    def predicate(self, account):
        return account.balance > 0

    def delta(self, account):
        """Say why."""
        half = halved(self.amount)  # a comment
        if half > 100:
            mmsb.reject("too much")
        account.balance -= half + TOP + helpers_of_bundle.capped(3)


@app.intent
class Undo(mmsb.Intent):
    account: u64

    def query(self):
        return Account[self.account, 1]

    def delta(self, account):
        account.balance += 1
'''


def hash_of(source: str = SOURCE, helpers: str = HELPERS) -> str:
    load(helpers, "helpers_of_bundle")
    return app_of(load(source)).bundle().hash.hex()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("account.balance += 1", "account.balance += 2"),
        ("return x // 2", "return x // 3"),
        ("account.balance > 0", "account.balance >= 0"),
        ("[self.account, 1]\n\n    def predicate", "[self.account, 2]\n\n    def predicate"),
        ("ge=0", "ge=-1"),
        ("default=3", "default=4"),
        ("default=1", "default=2"),
        ("gt=0", "gt=-1"),
        ("partition_by=0", "partition_by=1"),
        ('on_rejected="Undo"', "on_rejected=None"),
        ("hops_max=4", "hops_max=5"),
        ('"too much"', '"far too much"'),
        ("mmsb.text(8)", "mmsb.text(9)"),
        ('App("bank"', 'App("tank"'),
        ("halved(self.amount)", "unrelated(self.amount)"),
    ],
)
def test_a_change_of_meaning_changes_it(old, new):
    assert SOURCE.count(old) == 1
    assert hash_of(SOURCE.replace(old, new)) != hash_of()


@pytest.mark.parametrize(("old", "new"), [("LIMIT = 7", "LIMIT = 8"), ("return min(x", "return max(x")])
def test_a_change_in_what_is_imported_changes_it(old, new):
    assert hash_of(helpers=HELPERS.replace(old, new)) != hash_of()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a comment", "  # another\n"),
        ('"""Take some."""\n', ""),
        ('        """Say why."""\n', ""),
        ("half", "quarter"),
        ("return x + 1", "return x + 2"),
        ('doc="What is there."', 'doc="Else."'),
        ("generation=1", "generation=9"),
        ("halved", "divided"),
        (
            "def predicate(self, account):\n        return account.balance",
            "def predicate(intent, a: Account) -> bool:\n        return a.balance",
        ),
        ("half + TOP + helpers", "(half) + ( TOP\n        ) + helpers"),
        ("def unrelated(x):\n    return x + 1\n", ""),
        ("half = halved(self.amount)", "half: i64 = halved(x=self.amount)"),
        ("owner: str = mmsb.text(8)", 'owner: str = mmsb.text(8, was="name")'),
        ("partition_by=0", 'partition_by=0, dropped="limit"'),
    ],
)
def test_a_change_of_form_does_not(old, new):
    assert old in SOURCE
    assert hash_of(SOURCE.replace(old, new)) == hash_of()


def test_the_order_of_declaration_and_unrelated_functions_elsewhere_do_not():
    assert hash_of(helpers=HELPERS.replace("return x\n", "return x * 5\n")) == hash_of()
    head, take, undo = (
        SOURCE.partition("@app.intent(on")[0],
        *SOURCE.partition("@app.intent(on")[2].split("@app.intent\n"),
    )
    assert hash_of(f"{head}\n@app.intent\n{undo}\n\n@app.intent(on{take}") == hash_of()


def test_it_is_the_same_in_every_process(tmp_path):
    (tmp_path / "helpers_of_bundle.py").write_text(HELPERS)
    (tmp_path / "bundled.py").write_text(SOURCE)
    code = "import bundled; print(bundled.app.bundle().hash.hex())"
    for seed in ("0", "1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)}
        found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == hash_of()
