"""A debugger stops inside user functions that Python itself never executes."""

import bdb
from types import FrameType
from typing import Any

import examples.bank
import mmsb
from examples.bank import Deposit, Open, Transfer, app


class _Debugger(bdb.Bdb):
    """Notes what it sees where it stops."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, dict[str, str]]] = []

    def user_line(self, frame: FrameType) -> None:
        if self.break_here(frame):
            shown = {name: repr(value) for name, value in frame.f_locals.items() if not name.startswith("_")}
            self.seen.append((frame.f_code.co_name, frame.f_lineno, shown))
        self.set_continue()


def _line(text: str) -> int:
    with open(examples.bank.__file__) as file:
        return next(number for number, line in enumerate(file, start=1) if text in line)


def _step(bundle: mmsb.Bundle, debugger: _Debugger | None = None) -> mmsb.Outcome:
    genesis = mmsb.Genesis(log_id=bytes(range(16)), app="bank")
    machine = mmsb.Machine(bundle, mmsb.PartitionState(genesis))
    intents = [Open(1, "ann"), Deposit(1, 50), Transfer(1, 2, 20)]
    records = mmsb.Records.of(0, [mmsb.Record(None, mmsb.pack(intent)) for intent in intents])
    if debugger is None:
        return machine.step(records)
    outcome: Any = debugger.runcall(machine.step, records)
    debugger.clear_all_breaks()  # Python keeps them for all debuggers
    return outcome


def test_a_breakpoint_inside_delta_is_met_with_the_users_names() -> None:
    debugger, line = _Debugger(), _line("dst.balance += self.amount")
    debugger.set_break(debugger.canonic(examples.bank.__file__), line)

    outcome = _step(app.bundle(debug=True), debugger)

    assert [(name, at) for name, at, _ in debugger.seen] == [("delta", line)]
    _, _, shown = debugger.seen[0]
    assert shown["self"] == "Transfer(src=1, dst=2, amount=20)"
    assert shown["src"] == "Account(owner='ann', balance=30, moves=1)"
    assert shown["dst"] == "Account(owner='', balance=0, moves=0)"
    assert [row.status for row in outcome.outcomes] == [mmsb.Status.APPLIED] * 3


def test_a_breakpoint_in_a_predicate_of_one_line_is_met() -> None:
    debugger, line = _Debugger(), _line("return src.balance >= self.amount")
    debugger.set_break(debugger.canonic(examples.bank.__file__), line)

    _step(app.bundle(debug=True), debugger)

    assert [(name, at) for name, at, _ in debugger.seen] == [("predicate", line)]


def test_a_bundle_for_debugging_is_the_same_bundle() -> None:
    plain, debugged = app.bundle(), app.bundle(debug=True)

    assert plain.hash == debugged.hash
    assert _step(plain).sections == _step(debugged).sections
