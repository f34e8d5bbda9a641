"""The planted bugs: what is damaged, what is run, and the assertion that must notice.

`expected` stands in the message of the failed assertion: a comparison of tests.proof, or what a test says.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bug:
    """One source patch; `runs` are the arguments of tests.planted.catcher."""

    name: str
    file: str
    old: str
    new: str
    runs: tuple[str, ...]
    expected: str
    why: str


BUGS: Final = (
    Bug(
        "// truncates",
        "processors/language/interpret.py",
        ('    for name in ("add", "sub", "mul", "floordiv", "mod", "div", "and", "or", "xor")\n}\n'),
        (
            '    for name in ("add", "sub", "mul", "floordiv", "mod", "div", "and", "or", "xor")\n'
            "}\n"
            '_PLAIN["floordiv"] = lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)\n'
        ),
        ("agree", "23", "43"),
        "[deltas]",
        "// rounds down, as Python does and C does not",
    ),
    Bug(
        "% has the sign of the dividend",
        "processors/language/interpret.py",
        ('    for name in ("add", "sub", "mul", "floordiv", "mod", "div", "and", "or", "xor")\n}\n'),
        (
            '    for name in ("add", "sub", "mul", "floordiv", "mod", "div", "and", "or", "xor")\n'
            "}\n"
            '_PLAIN["mod"] = lambda x, y: abs(x) % abs(y) * (-1 if x < 0 else 1)\n'
        ),
        ("agree", "1", "21"),
        "[outcome]",
        "% has the sign of the divisor, as in Python and not in C",
    ),
    Bug(
        "a predicate is asked in vain",
        "processors/lowering.py",
        "    if program.predicate and not program.predicate(run):",
        "    if program.predicate and program.predicate(run) is None:",
        ("agree", "0", "20"),
        "[outcome]",
        "a false predicate rejects",
    ),
    Bug(
        "aliasing is forgotten",
        "processors/lowering.py",
        "    program.prepare(run)\n",
        (
            "    run.pages = [\n"
            "        page if not any(page is other for other in run.pages[:at]) else Scratch(page.layout, at, list(page.values), page.exists)\n"
            "        for at, page in enumerate(run.pages)\n"
            "    ]\n"
            "    program.prepare(run)\n"
        ),
        ("agree", "6", "26"),
        "[deltas]",
        "a page that is named twice has one scratch record",
    ),
    Bug(
        "invariants are not checked",
        "processors/lowering.py",
        ("    for index in range(len(layout.fields)):\n        broken"),
        ("    for index in range(0):\n        broken"),
        ("agree", "3", "23"),
        "[outcome]",
        "no page may break a bound of its fields",
    ),
    Bug(
        "an unchanged page gives a delta",
        "processors/lowering.py",
        ("    if after == before:\n        return None\n"),
        "",
        ("agree", "0", "20"),
        "[deltas]",
        "what stays as it was is no delta and takes no epoch",
    ),
    Bug(
        "deleting nothing gives a delta",
        "processors/lowering.py",
        ("            if self.before is None:\n                return None\n"),
        (
            "            if self.before is None:\n"
            "                return PageChange(layout, self.key, self.base, None, layout.default_body, DeltaKind.SPANS, bytes(8))\n"
        ),
        ("agree", "99", "119"),
        "[deltas]",
        "a page that never was cannot be deleted",
    ),
    Bug(
        "pages of other partitions are written",
        "processors/lowering.py",
        "        if right != around.partition:",
        "        if right != around.partition and ordinal > 99:",
        ("agree", "3", "23"),
        "[outcome]",
        "a page lives in one partition",
    ),
    Bug(
        "hops are not limited",
        "processors/lowering.py",
        "        if hops > around.bundle.hops_max:",
        "        if hops > 255 + around.bundle.hops_max:",
        ("agree", "24", "44"),
        "[outcome]",
        "a chain of follow-ups ends",
    ),
    Bug(
        "ge means gt",
        "schemas/rejections.py",
        "    Op.GE: operator.ge,",
        "    Op.GE: operator.gt,",
        ("agree", "0", "20"),
        "[needs names every page read]",
        "a bound's limit itself is allowed",
    ),
    Bug(
        "bounds look at the first element",
        "schemas/layouts.py",
        "        for number in numbers:",
        "        for number in numbers[:1]:",
        ("agree", "17", "37"),
        "[outcome]",
        "each element of an array is held against the bounds",
    ),
    Bug(
        "dedupe is dropped",
        "processors/judging.py",
        "    return None if first is None else replace(seen, status=Status.DUPLICATE, first_offset=first)",
        "    return None",
        ("agree", "1", "21"),
        "[outcome]",
        "an id counts once",
    ),
    Bug(
        "sources do not dedupe",
        "processors/judging.py",
        "        if seen.source.number <= mark:",
        "        if seen.source.number < 0:",
        ("agree", "0", "20"),
        "[outcome]",
        "a source's number counts once",
    ),
    Bug(
        "a gap of follow-ups executes",
        "processors/judging.py",
        "            return replace(seen, status=Status.NOOP)",
        "            return None",
        ("agree", "18", "38"),
        "[outcome]",
        "follow-ups are executed in the order of their numbers",
    ),
    Bug(
        "on_rejected for everybody",
        "processors/judging.py",
        "        makes_up = program is not None and envelope.source is not None and envelope.source.kind == FOLLOW_UP",
        "        makes_up = program is not None",
        ("agree", "7", "27"),
        "[follow-ups]",
        "only a follow-up's rejection is made up for",
    ),
    Bug(
        "follow-ups skip numbers",
        "processors/judging.py",
        "            number = self.state.sent(intent.target) + sent[intent.target]",
        "            number = self.state.sent(intent.target) + 2 * sent[intent.target] - 1",
        ("agree", "18", "38"),
        "[follow-ups]",
        "numbers of follow-ups are dense",
    ),
    Bug(
        "the clock goes back",
        "processors/judging.py",
        "    return max(clock, 1000 * time_ms) if 0 <= time_ms <= TIME_MS_MAX else clock",
        "    return 1000 * time_ms if 0 <= time_ms <= TIME_MS_MAX else clock",
        ("agree", "1", "21"),
        "the partition clock never goes back",
        "the partition clock never goes back",
    ),
    Bug(
        "the clock follows impossible times",
        "processors/judging.py",
        "    return max(clock, 1000 * time_ms) if 0 <= time_ms <= TIME_MS_MAX else clock",
        "    return max(clock, min(1000 * time_ms, 2**63 - 1))",
        ("agree", "0", "20"),
        "[clock]",
        "a time that no calendar has leaves the clock alone",
    ),
    Bug(
        "transactional records are executed",
        "processors/judging.py",
        "    if flags & (CONTROL | TRANSACTIONAL):",
        "    if flags & CONTROL:",
        ("agree", "0", "20"),
        "[outcome]",
        "intents of transactions are rejected: the log does not know whether they were committed",
    ),
    Bug(
        "foreign sources are believed",
        "processors/judging.py",
        "        if not known or source.source != source_of_follow_up(state.genesis.log_id, partition):",
        "        if not known:",
        ("agree", "7", "27"),
        "[outcome]",
        "a follow-up comes from this log",
    ),
    Bug(
        "needs() forgets all but the first page",
        "processors/judging.py",
        "        return keys_of(bundle.program_named(layout.name), read_arguments(layout, envelope), around)",
        "        return keys_of(bundle.program_named(layout.name), read_arguments(layout, envelope), around)[:1]",
        ("agree", "0", "20"),
        "[needs names every page read]",
        "what is not named beforehand is not in memory",
    ),
    Bug(
        "needs() forgets doors",
        "processors/judging.py",
        "            return open_door(layout, envelope.arguments, around)[0]",
        "            return []",
        ("agree", "0", "20"),
        "[needs names every page read]",
        "upserts and mutations name their page, too",
    ),
    Bug(
        "a condition is not looked at",
        "processors/doors.py",
        "    if not condition.op.holds(found, condition.value):",
        "    if condition.op.value > 6:",
        ("agree", "0", "20"),
        "[outcome]",
        "an upsert whose condition fails is rejected",
    ),
    Bug(
        "an upsert's sum wraps",
        "processors/doors.py",
        (
            "        if not I64_MIN <= total <= I64_MAX:\n"
            "            raise Refused(Rejection(Code.OVERFLOW, UPSERT.type_id))\n"
        ),
        "        total = (total - I64_MIN) % 2**64 + I64_MIN\n",
        ("interleave", "39", "59"),
        "[block bytes]",
        "adding by upsert overflows as computing does",
    ),
    Bug(
        "the window forgets one too late",
        "state/partition.py",
        "self._ids.forget_to(offset - self._ids.size)",
        "self._ids.forget_to(offset - self._ids.size - 1)",
        ("agree", "0", "20"),
        "[digest]",
        "the window holds the last W offsets, not one more",
    ),
    Bug(
        "the window forgets one too early",
        "state/partition.py",
        "self._ids.forget_to(offset - self._ids.size)",
        "self._ids.forget_to(offset - self._ids.size + 1)",
        ("agree", "0", "20"),
        "[digest]",
        "the window holds the last W offsets, not one less",
    ),
    Bug(
        "duplicates refresh the window",
        "state/partition.py",
        "        if id is not None and status.remembers and self.first_offset(id) is None:",
        (
            "        first = None if id is None else self.first_offset(id)\n"
            "        if id is not None and first is not None and status == Status.DUPLICATE:\n"
            "            del self._ids._first[id]\n"
            "            self._ids._order.remove((first, id))\n"
            "            self.digest -= id_term(first, id)\n"
            "            status = Status.APPLIED\n"
            "        if id is not None and status.remembers and self.first_offset(id) is None:"
        ),
        ("agree", "1", "21"),
        "[digest]",
        "an id is remembered from where it was first seen",
    ),
)
