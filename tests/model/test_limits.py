"""Limits that random traffic does not reach."""

from tests.model.batch import Record
from tests.model.bundle import Bundle, Field, Intent, Page
from tests.model.constants import OUTCOME_BYTES_MAX, SOURCES_MAX
from tests.model.examples import BANK
from tests.model.machine import Machine

ONE = ("lit", 1, "1")
WIDE = Page("Wide", ("u8",), (Field("data", "blob(65528)"), Field("n", "i64")))


def wide(count):
    """Creates pages whose bytes are neither equal nor zero."""
    keys = tuple(("Wide", (("lit", i, str(i)),)) for i in range(count))
    names = tuple(f"p{i}" for i in range(count))
    data = bytes(i % 251 + 1 for i in range(65528))
    delta = tuple(("set", name, "data", ("lit", data, "DATA")) for name in names)
    return Bundle("wide", (WIDE,), (Intent("Fill", (), keys, names, delta),))


def test_too_large():
    fill = b'{"@type": "Fill"}'
    assert Machine(wide(3)).judge(Record(0, 0, fill)).status_name == "applied"
    out = Machine(wide(4)).judge(Record(0, 0, fill))
    assert (out.rejection, out.deltas) == ("too_large", [])
    assert out.row
    assert int.from_bytes(out.row.bound, "little") == OUTCOME_BYTES_MAX
    # 65 528 bytes changed of 65 536: spans of 8 bytes of table are smaller than a mask of 1 024.
    assert int.from_bytes(out.row.value, "little") == 4 * (24 + 8 + 8 + 65528)


def test_too_many_sources():
    machine = Machine(BANK)
    machine.state.marks = {(2, i.to_bytes(16, "little")): 1 for i in range(SOURCES_MAX)}
    value = b'{"@type": "Deposit", "@source": "s", "@number": 1, "dst": 1, "amount": 1}'
    out = machine.judge(Record(0, 0, value))
    assert (out.rejection, out.source) == ("too_many_sources", None)
    machine.state.marks.popitem()
    assert machine.judge(Record(1, 0, value)).status_name == "applied"


def test_seventeen_follow_ups():
    def sends(count):
        emit = ("emit", "Ping", ())
        ping = Intent("Ping", (), (("Wide", (ONE,)),), ("p",), (("pass",),))
        send = Intent("Send", (), (("Wide", (ONE,)),), ("p",), (("for_range", "i", (0, count, 1), (emit,)),))
        return Bundle("pings", (Page("Wide", ("u8",), (Field("n", "i64"),)),), (ping, send))

    out = Machine(sends(16)).judge(Record(0, 0, b'{"@type": "Send"}'))
    assert [f.number for f in out.follow_ups] == list(range(1, 17))
    assert Machine(sends(17)).judge(Record(0, 0, b'{"@type": "Send"}')).rejection == "too_many_follow_ups"
