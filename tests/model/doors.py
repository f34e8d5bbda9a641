"""The intents without code: mmsb.Mutate and mmsb.Upsert (formats.md, sections 4, 5 and 7)."""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.model import deltas
from tests.model.constants import DELTA_STATUSES, I64_MAX, I64_MIN, OPS, UPSERT_CLAUSES_MAX
from tests.model.intents import Envelope, check_page, hex_bytes, is_integer, read_json_value
from tests.model.language import check_store
from tests.model.layout import MUTATE_ID, UPSERT_ID, FieldLayout, PageLayout, decode_wide, encode_wide, wide_problem
from tests.model.rows import Rejected, rejected

if TYPE_CHECKING:
    from tests.model.machine import Machine, Outcome

EPOCH = 65535
MUTATE_MEMBERS = ("delta",)
UPSERT_MEMBERS = ("page", "key", "where", "set", "add")


def lower(machine: "Machine", out: "Outcome", envelope: Envelope) -> None:
    if out.intent_type == MUTATE_ID:
        mutate(machine, out, envelope)
    else:
        upsert(machine, out, envelope)


def check_members(type_id: int, members: dict[str, Any], known: tuple[str, ...], required: int) -> None:
    for name in members:
        if name not in known:
            raise rejected("unknown_field", type_id=type_id, value=name)
    for index, name in enumerate(known[:required]):
        if name not in members:
            raise rejected("missing_field", type_id=type_id, field=index + 1)


# Mutate


def mutate(machine: "Machine", out: "Outcome", envelope: Envelope) -> None:
    record = envelope.packed
    if record is None:
        assert envelope.members is not None
        check_members(MUTATE_ID, envelope.members, MUTATE_MEMBERS, 1)
        if not isinstance(envelope.members["delta"], str):
            raise rejected("wrong_type", type_id=MUTATE_ID, field=1)
        record = hex_bytes(envelope.members["delta"])
        if record is None:
            raise rejected("bad_blob", type_id=MUTATE_ID, field=1)
    layouts = machine.compiled.pages_by_id
    status, position = deltas.structure_status(record, layouts)
    if status:
        known = status > DELTA_STATUSES["type"]
        type_id = struct.unpack_from("<Q", record, 8)[0] if known else 0
        raise rejected("bad_delta", type_id=type_id, ordinal=status, value=position)
    delta = deltas.decode(record)
    layout = layouts[delta.type_id]
    machine.check_partitions([(layout, delta.key)])
    out.reads = [(delta.type_id, delta.key)]
    epoch, before = machine.state.pages.get((delta.type_id, delta.key), (0, bytes(layout.size)))
    if delta.base != epoch:
        raise rejected("conflict", type_id=delta.type_id, value=epoch, bound=delta.base)
    after = deltas.body_after(delta, layout, before)
    if after is not None:
        raise_body_problem(layout, after)
    machine.change(out, MUTATE_ID, [(layout, delta.key, epoch, before, after)], [])


def raise_body_problem(layout: PageLayout, body: bytes) -> None:
    status, _, why = deltas.body_status(layout, body)
    if not why:
        return
    f, problem = why
    if status == DELTA_STATUSES["invariant"]:
        op, value, bound = problem
        raise rejected("invariant", type_id=layout.type_id, field=f.index + 1, op=op, value=value, bound=bound)
    raise rejected(problem[0], type_id=layout.type_id, field=f.index + 1 if f else 0, value=problem[1])


# Upsert


@dataclass(frozen=True)
class Clause:
    field: FieldLayout | None  # None: the epoch
    op: int  # of a condition 1 to 6; of an assignment 1 set, 2 add
    value: Any


@dataclass(frozen=True)
class Request:
    layout: PageLayout
    key: bytes
    conditions: list[Clause]
    assignments: list[Clause]


def upsert(machine: "Machine", out: "Outcome", envelope: Envelope) -> None:
    if envelope.packed is not None:
        request = read_packed(machine.compiled.pages_by_id, envelope.packed)
    else:
        assert envelope.members is not None
        request = read_json(machine.compiled.pages, envelope.members)
    layout, key = request.layout, request.key
    machine.check_partitions([(layout, key)])
    (page,) = machine.scratch([(layout, key)]).values()
    out.reads = [(layout.type_id, key)]
    for number, clause in enumerate(request.conditions):
        check_condition(layout, page.epoch, page.values, number, clause)
    for clause in request.assignments:
        assert clause.field
        f, value = clause.field, clause.value
        if clause.op == 2:
            value = page.values[f.name] + value
            if f.base == "f64" and value in (float("inf"), float("-inf")):
                raise rejected("non_finite", type_id=UPSERT_ID)
            if f.base != "f64" and not I64_MIN <= value <= I64_MAX:
                raise rejected("overflow", type_id=UPSERT_ID)
            check_store(f, value, layout.type_id, f.index + 1, 0)
        page.values[f.name] = value
    before = page.before if page.epoch else bytes(layout.size)
    after = layout.encode(page.values)
    if not page.epoch or after != before:
        check_page(layout, after, page.values)
    machine.change(out, UPSERT_ID, [(layout, key, page.epoch, before, after)], [])


def check_condition(layout: PageLayout, epoch: int, values: dict[str, Any], number: int, clause: Clause) -> None:
    f, asked = clause.field, clause.value
    found = epoch if f is None else values[f.name]
    truth = {
        1: found >= asked,
        2: found > asked,
        3: found <= asked,
        4: found < asked,
        5: found == asked,
        6: found != asked,
    }
    if truth[clause.op]:
        return
    shown = not (f and f.base in ("text", "blob"))
    raise rejected("condition", type_id=layout.type_id, field=f.index + 1 if f else 0, ordinal=number, op=clause.op,
                   value=found if shown else None, bound=asked if shown else None)  # fmt: skip


def condition_allowed(f: FieldLayout | None, op: int) -> bool:
    if f is None:
        return True
    return not f.length and (op >= 5 or f.base not in ("text", "blob", "bool", "enum"))


def add_allowed(f: FieldLayout) -> bool:
    return not f.length and f.base not in ("u64", "text", "blob", "bool", "enum")


def value_size(f: FieldLayout) -> int:
    if f.base in ("text", "blob"):
        return -(-f.width // 8) * 8
    return 8 * (f.length or 1)


def read_packed(layouts: dict[int, PageLayout], data: bytes) -> Request:
    if len(data) < 16:
        raise rejected("bad_upsert", value=0)
    type_id, key_words, condition_count, assignment_count, zero = struct.unpack_from("<QHHHH", data)
    layout = layouts.get(type_id)
    if layout is None:
        raise rejected("bad_upsert", value=0)

    def bad(position: int) -> Rejected:
        return rejected("bad_upsert", type_id=type_id, value=position)

    if 8 * key_words != layout.key_size:
        raise bad(8)
    if condition_count > UPSERT_CLAUSES_MAX:
        raise bad(10)
    if assignment_count > UPSERT_CLAUSES_MAX:
        raise bad(12)
    if zero:
        raise bad(14)
    key = data[16 : 16 + layout.key_size]
    if len(key) < layout.key_size:
        raise bad(16)
    problem = layout.key_problem(key)
    if problem is not None:
        raise bad(16 + problem)
    at = 16 + layout.key_size
    clauses: list[Clause] = []
    for number in range(condition_count + assignment_count):
        is_condition = number < condition_count
        if len(data) < at + 8:
            raise bad(at)
        index, op, zero, size = struct.unpack_from("<HBBI", data, at)
        epoch = is_condition and index == EPOCH
        f = None if epoch or index >= len(layout.fields) else layout.fields[index]
        if zero or (f is None and not epoch) or not 1 <= op <= (6 if is_condition else 2):
            raise bad(at)
        allowed = condition_allowed(f, op) if is_condition else op == 1 or (f is not None and add_allowed(f))
        repeated = not is_condition and f in [clause.field for clause in clauses[condition_count:]]
        if not allowed or repeated or size != (value_size(f) if f else 8) or len(data) < at + 8 + size:
            raise bad(at)
        value = read_value(layout, f, data[at + 8 : at + 8 + size], add=not is_condition and op == 2)
        clauses.append(Clause(f, op, value))
        at += 8 + size
    if at != len(data):
        raise bad(at)
    return Request(layout, key, clauses[:condition_count], clauses[condition_count:])


def read_value(layout: PageLayout, f: FieldLayout | None, raw: bytes, add: bool) -> Any:
    if f is None or (add and f.base != "f64"):
        return int.from_bytes(raw, "little", signed=True)
    values = []
    for at in range(0, len(raw), 8) if f.length else (0,):
        part = raw[at : at + 8] if f.length else raw
        problem = wide_problem(f, part)
        if problem:
            name, value = problem
            op, bound = (
                f.integer_problem(value) or (0, None) if name == "out_of_range" and value is not None else (0, None)
            )
            raise rejected(name, type_id=layout.type_id, field=f.index + 1, value=value, op=op, bound=bound)
        values.append(decode_wide(f, part))
    return values if f.length else values[0]


def read_json(layouts: dict[str, PageLayout], members: dict[str, Any]) -> Request:
    check_members(UPSERT_ID, members, UPSERT_MEMBERS, 2)
    name = members["page"]
    layout = layouts.get(name) if isinstance(name, str) else None
    if layout is None:
        raise rejected("bad_upsert", value=name if isinstance(name, str) else "page")

    def bad(what: str) -> Rejected:
        return rejected("bad_upsert", type_id=layout.type_id, value=what)

    many = len(layout.key_fields) > 1
    components = members["key"] if many else [members["key"]]
    if not isinstance(components, list) or len(components) != len(layout.key_fields):
        raise bad("key")
    try:
        values = [read_json_value(0, f, value) for f, value in zip(layout.key_fields, components, strict=True)]
    except Rejected:
        raise bad("key") from None
    where, sets, adds = members.get("where", []), members.get("set", {}), members.get("add", {})
    for member, content, kind in (("where", where, list), ("set", sets, dict), ("add", adds, dict)):
        if not isinstance(content, kind):
            raise bad(member)
    if len(where) > UPSERT_CLAUSES_MAX:
        raise bad("where")
    if len(sets) + len(adds) > UPSERT_CLAUSES_MAX:
        raise bad("set" if len(sets) > UPSERT_CLAUSES_MAX else "add")
    conditions = []
    for clause in where:
        if not isinstance(clause, list) or len(clause) != 3 or not all(isinstance(part, str) for part in clause[:2]):
            raise bad("where")
        field_name, sign, value = clause
        f = layout.by_name.get(field_name)
        if (f is None and field_name != "@epoch") or sign not in OPS or not condition_allowed(f, OPS[sign]):
            raise bad(field_name)
        conditions.append(Clause(f, OPS[sign], json_value(layout, f, value, False, bad)))
    assignments = []
    for op, content in ((1, sets), (2, adds)):
        for field_name, value in content.items():
            f = layout.by_name.get(field_name)
            if f is None or (op == 2 and (not add_allowed(f) or field_name in sets)):
                raise bad(field_name)
            assignments.append(Clause(f, op, json_value(layout, f, value, op == 2, bad)))
    return Request(layout, layout.encode_key(tuple(values)), conditions, assignments)


def json_value(layout: PageLayout, f: FieldLayout | None, value: Any, add: bool, bad: Any) -> Any:
    if f is None or (add and f.base != "f64"):
        if not is_integer(value) or not I64_MIN <= value <= I64_MAX:
            raise bad("@epoch" if f is None else f.name)
        return value
    return read_json_value(layout.type_id, f, value)


def pack_upsert(layout: PageLayout, key: tuple[Any, ...], conditions: list[Clause], assignments: list[Clause]) -> bytes:
    """The packed arguments."""
    head = struct.pack("<QHHHH", layout.type_id, layout.key_size // 8, len(conditions), len(assignments), 0)
    out = head + layout.encode_key(key)
    for number, clause in enumerate([*conditions, *assignments]):
        f = clause.field
        adding = number >= len(conditions) and clause.op == 2
        if f is None or (adding and f.base != "f64"):
            value = (int(clause.value) % 2**64).to_bytes(8, "little")
        elif f.length:
            value = b"".join(encode_wide(f, element) for element in clause.value)
        else:
            value = encode_wide(f, clause.value)
        out += struct.pack("<HBBI", EPOCH if f is None else f.index, clause.op, 0, len(value)) + value
    return out
