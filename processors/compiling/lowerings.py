"""The function that lowers one intent: pages in, predicate, delta, what changed, and then the effects.

Nothing is written to a page before the whole outcome is known to apply and to fit into the block.
"""

from collections.abc import Sequence
from typing import Any

from mmsb.kernels.digest import seed
from mmsb.kernels.intake.rejections import I64
from mmsb.processors.compiling.accesses import Access, Aliased, PagePlan, same_page
from mmsb.processors.compiling.bodies import Body
from mmsb.processors.compiling.checks import check_invariants
from mmsb.processors.compiling.emits import BEGIN
from mmsb.processors.compiling.statements import Statements
from mmsb.processors.compiling.walking import has
from mmsb.processors.language.intents import Code as IntentCode
from mmsb.schemas.limits import OUTCOME_BYTES_MAX
from mmsb.schemas.rejections import Code

_DELTA_WORDS = 3
_PAGE_TAG = 1


def find_slots(body: Body, plans: Sequence[PagePlan]) -> None:
    """The pages' slots as they are now; asks for room if a page may have to be made."""
    for plan in plans:
        page = f"index{plan.kind}, arena{plan.kind}, {plan.stride}"
        where = f"{plan.key_words}, keys, key + {plan.key_at}, slots[slot_at + {plan.number}]"
        body.source.line(f"slot{plan.number} = current({page}, {where})")
        alike = sum(other.kind == plan.kind for other in plans)
        with body.source.block(f"if slot{plan.number} < 0 and not has_room({page}, {alike}):"):
            body.source.line("return GROW")


def aliases(plans: Sequence[PagePlan]) -> str:
    """Whether any two names are of one page; empty if no two can be."""
    pairs = [(one, other) for at, other in enumerate(plans) for one in plans[:at] if one.kind == other.kind]
    return " or ".join(same_page(one, other) for one, other in pairs)


def write_lowering(body: Body, access: Access, code: IntentCode, number: int) -> None:
    """From the slots on. `number` is the intent type's in the block."""
    plans = access.plans
    emits = has(code.delta, "emit")
    access.load()
    if emits:
        body.source.extend(BEGIN)
    statements = Statements(body, access)
    if code.predicate is not None:
        body.prefix = "q"
        nodes, result = code.predicate
        statements.write(nodes)
        body.reject_if(f"not {statements.expressions.number(result)}", Code.PREDICATE)
    body.prefix = "v"
    statements.write(code.delta)
    _find_changes(body, access)
    if emits:
        body.source.line("words += emitted_words + SENT_W * emitted")
    _check_size(body, plans, number)
    for plan in plans:
        _apply(body, access, plan)
    if emits:
        body.source.line("count_emitted(block, counts, emitted, emitted_words, sent, digest)")
    body.source.line("return APPLIED")


def _find_changes(body: Body, access: Access) -> None:
    source = body.source
    source.line("words = 0")
    for kind in sorted({plan.kind for plan in access.plans}):
        source.line(f"uses{kind} = 0")
    for plan in access.plans:
        source.line(f"shape{plan.number} = NOTHING")
        if isinstance(access, Aliased):
            with source.block(f"if first{plan.number} == {plan.number}:"):
                _find_change(body, access, plan)
        else:
            _find_change(body, access, plan)


def _find_change(body: Body, access: Access, plan: PagePlan) -> None:
    source, page = body.source, plan.number
    if not plan.deleted and not _deletes_by_alias(access, plan):
        _shape(body, access, plan)
        return
    with source.block(f"if {access.is_deleted(page)}:"), source.block(f"if slot{page} >= 0:"):
        source.line(f"words += {_DELTA_WORDS + plan.key_words}")
        source.line(f"uses{plan.kind} = 1")
    with source.block("else:"):
        _shape(body, access, plan)


def _deletes_by_alias(access: Access, plan: PagePlan) -> bool:
    """Whether the page may be deleted through another of its names."""
    return isinstance(access, Aliased) and any(o.deleted for o in access.plans if o.kind == plan.kind)


def _shape(body: Body, access: Access, plan: PagePlan) -> None:
    source, page = body.source, plan.number
    access.store(plan)
    low, high = access.hull(plan)
    with source.block(f"if slot{page} >= 0:"):
        if high > low:
            change = f"arena{plan.kind}, old{page}, scratch, {plan.row}, {low}, {high}, {plan.words}"
            source.line(f"shape{page} = shape_of_change({change})")
    with source.block("else:"):
        source.line(f"shape{page} = shape_of_new(scratch, {plan.row}, {plan.words})")
    with source.block(f"if shape{page} != NOTHING:"):
        check_invariants(body, access, plan, str(page))
        source.line(f"words += {_DELTA_WORDS + plan.key_words} + words_of_shape(shape{page})")
        source.line(f"uses{plan.kind} = 1")


def _check_size(body: Body, plans: Sequence[PagePlan], number: int) -> None:
    shown: dict[str, Any] = {
        "value": "bits_of_int(8 * words)",
        "bound": body.constants.word(OUTCOME_BYTES_MAX),
        "kind": I64,
    }
    body.reject_if(f"8 * words > {OUTCOME_BYTES_MAX}", Code.TOO_LARGE, **shown)
    kinds = {plan.kind: plan.layout.type_id for plan in plans}
    types = [f"is_new(counts, {number})"]
    types += [f"uses{kind} * is_new(counts, number_of_page{kind})" for kind in sorted(kinds)]
    with body.source.block(f"if not fits(counts, words + extra, {' + '.join(types)}):"):
        body.source.line("return CUT")


def _apply(body: Body, access: Access, plan: PagePlan) -> None:
    source, page, kind = body.source, plan.number, plan.kind
    low, high = access.hull(plan)
    start = body.constants.word(seed(_PAGE_TAG, plan.layout.type_id))
    sizes = f"{plan.key_words}, {plan.words}"
    rest = f"number_of_page{kind}, {start}, block, counts, digest"
    change = f"scratch, {plan.row}, {low}, {high}, shape{page}, epoch"
    made = f"keys, key + {plan.key_at}, scratch, {plan.row}, shape{page}, epoch"
    branches: list[tuple[str, str]] = []
    if plan.deleted or _deletes_by_alias(access, plan):
        gone = f"index{kind}, arena{kind}, {plan.stride}, {sizes}, slot{page}, {rest}"
        branches.append((access.is_deleted(page), f"if slot{page} >= 0: write_deletion({gone})"))
    if high > low:
        changed = f"arena{kind}, slot{page} * {plan.stride}, {sizes}, {change}, {rest}"
        branches.append((f"slot{page} >= 0", f"if shape{page} != NOTHING: write_change({changed})"))
    else:
        branches.append((f"slot{page} >= 0", "pass"))
    branches.append(("", f"write_new(index{kind}, arena{kind}, {plan.stride}, {sizes}, {made}, {rest})"))
    if isinstance(access, Aliased):
        with source.block(f"if first{page} == {page}:"):
            _branch(body, branches)
    else:
        _branch(body, branches)


def _branch(body: Body, branches: Sequence[tuple[str, str]]) -> None:
    word = "if"
    for condition, action in branches:
        with body.source.block(f"{word} {condition}:" if condition else "else:"):
            body.source.line(action)
        word = "elif"
