"""Row 3: lowering is pure, and every pattern of intent has a name."""

import pytest

import mmsb
from mmsb import i64, u64
from mmsb.processors.judging import judge
from tests.rows.bank import TIME_MS, Log

app = mmsb.App("patterns")


@app.page(key=u64)
class Counter(mmsb.Page):
    count: i64
    limit: i64 = 10


@app.intent
class Set(mmsb.Intent):
    key: u64
    value: i64

    def query(self):
        return Counter[self.key]

    def delta(self, counter: Counter) -> None:
        counter.count = self.value


@app.intent
class Add(mmsb.Intent):
    key: u64
    value: i64

    def query(self):
        return Counter[self.key]

    def delta(self, counter: Counter) -> None:
        counter.count += self.value


@app.intent
class GuardedSet(mmsb.Intent):
    key: u64
    value: i64

    def query(self):
        return Counter[self.key]

    def predicate(self, counter: Counter) -> bool:
        return self.value <= counter.limit

    def delta(self, counter: Counter) -> None:
        counter.count = self.value


@app.intent
class CreateIfAbsent(mmsb.Intent):
    key: u64

    def query(self):
        return Counter[self.key]

    def predicate(self, counter: Counter) -> bool:
        return not mmsb.exists(counter)

    def delta(self, counter: Counter) -> None:
        counter.limit = 99


@app.intent
class Move(mmsb.Intent):
    src: u64
    dst: u64
    value: i64

    def query(self):
        return Counter[self.src], Counter[self.dst]

    def delta(self, src: Counter, dst: Counter) -> None:
        src.count -= self.value
        dst.count += self.value


EPOCH = 1  # of Counter[1] before each pattern

# name: (intents, then (count, limit, epoch) of Counter[1], and how many deltas they give)
PATTERNS: dict[str, tuple[list[mmsb.Intent], tuple[int, int, int], int]] = {
    "set": ([Set(1, 7)], (7, 10, 3), 1),
    "add": ([Add(1, 7)], (12, 10, 3), 1),
    "guarded set": ([GuardedSet(1, 10)], (10, 10, 3), 1),
    "predicate false": ([GuardedSet(1, 11)], (5, 10, EPOCH), 0),
    "create if absent, where it is": ([CreateIfAbsent(1)], (5, 10, EPOCH), 0),
    "create if absent": ([CreateIfAbsent(3)], (5, 10, EPOCH), 1),
    "two pages": ([Move(1, 2, 4)], (1, 10, 3), 2),
    "two pages that are one": ([Move(1, 1, 4)], (5, 10, EPOCH), 0),
    "one page twice in a batch": ([Add(1, 1), Add(1, 1)], (7, 10, 4), 2),
    "nothing changes": ([Set(1, 5)], (5, 10, EPOCH), 0),
    "overflow": ([Add(1, 2**63 - 1)], (5, 10, EPOCH), 0),
}


def prepared() -> Log:
    log = Log(app)
    log.applied(mmsb.pack(Set(1, 5)), mmsb.pack(Set(2, 5)))
    return log


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_gives_what_it_says_twice_and_alike(name):
    intents, (count, limit, epoch), deltas = PATTERNS[name]
    one, other = prepared(), prepared()
    values = [mmsb.pack(intent) for intent in intents]

    outcome = one.send(*values)

    counter = one.read(Counter[1])
    assert (counter.count, counter.limit, mmsb.epoch_of(counter), len(outcome.deltas)) == (count, limit, epoch, deltas)
    assert other.send(*values) == outcome
    assert other.tlog == one.tlog
    assert one.replay().digest.pack() == one.digest


@pytest.mark.guards(2)
@pytest.mark.parametrize("name", PATTERNS)
def test_lowering_twice_gives_equal_output_and_leaves_the_state_untouched(name):
    log = prepared()
    value = mmsb.pack(PATTERNS[name][0][0])
    pages, digest = log.pages(), log.digest
    state = log.machine.state

    judged = [judge(log.machine.bundle, state, 2, TIME_MS, 0, value) for _ in range(2)]

    assert judged[0] == judged[1]
    assert (log.pages(), state.digest.pack(), state.recompute_digest().pack()) == (pages, digest, digest)
