"""A bundle's module: for each intent what checks, names and lowers, and the two loops over a batch that call it.

The text depends on the bundle alone, so its hash names it. Compiled code of the same text is found again by any process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from blake3 import blake3

from mmsb.processors.bundle import Bundle
from mmsb.processors.compiling.accesses import Aliased, Distinct, PagePlan, plan_pages
from mmsb.processors.compiling.bodies import Body, Target, text_room
from mmsb.processors.compiling.checks import check_arguments
from mmsb.processors.compiling.lowerings import aliases, find_slots, write_lowering
from mmsb.processors.compiling.queries import write_partitions, write_query
from mmsb.processors.compiling.source import Constants, Source, Uncompilable
from mmsb.processors.programs import Program
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.upserts import BUILT_IN

NODES_MAX: Final = 2_000
"""An intent with more IR nodes is left to the interpreter: compiling takes time that grows faster than its length."""

_HEAD: Final = '''"""Generated from the bundle {name}; made anew whenever it is missing. Not for editing."""

import math

import numpy as np

from mmsb.kernels.arithmetic import I64_MIN, absolute, add, floordiv, mod, mul, neg, sub, to_i64
from mmsb.kernels.block_builder import SENT_W, fits, is_new
from mmsb.kernels.changes import (
    NOTHING, shape_of_change, shape_of_new, words_of_shape, write_change, write_deletion, write_new,
)
from mmsb.kernels.envelopes import (
    ARGUMENTS_AT, ARGUMENTS_SIZE, SOURCE_KIND, TYPE, VERDICT,
)
from mmsb.kernels.follow_ups import ARGUMENTS, begin_of, count_emitted, emit, hops_of
from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import bits_of, float_of, load_u64
from mmsb.kernels.outcomes import (
    APPLIED, CUT, GO_ON, GROW, REFUSED, SLOW, add as add_outcome, extra_words, words_of_verdict,
)
from mmsb.kernels.page_index import SALT, candidate, current, has_room, hash_key, prefetch_entry, prefetch_page
from mmsb.kernels.partitioning import partition_of, put_blob, put_decimal, put_length, put_text
from mmsb.kernels.record_batches import VALUE_AT
from mmsb.kernels.rejections import put_rejection, with_ordinal, with_unsigned_kind
from mmsb.kernels.settling import NOW
from mmsb.kernels.values import (
    bits_of_int, copy_text, get_bits, get_text, is_padded_text, load_bits, load_text, same_text, set_bits, set_text,
    signed, text_size, unsigned,
)

NONE = np.uint64(0)
ONE = np.uint64(1)
EXPONENT = np.uint64(0x7FF0000000000000)
'''

_CHECK: Final = "buffer, at, size, rejections, reject_at"
_QUERY: Final = "buffer, at, cause, keys, key, scratch, rejections, reject_at"
_PARTITION: Final = "keys, key, text8, partitions, partition, rejections, reject_at"
_LOWER: Final = (
    "buffer, at, now, epoch, extra, keys, key, slots, slot_at, scratch, rejections, reject_at, block, block8, counts, "
    "digest, envelopes, i, offset, text8, aside, sent, log, partitions, partition"
)


@dataclass
class Module:
    """The text of a bundle's module, and what whoever calls it must know."""

    name: str
    text: str
    pages: tuple[PageLayout, ...]  # in the order of the module's arenas
    types: tuple[int, ...]  # all type ids, rising, as blocks number them
    intents: tuple[int, ...]  # the type ids of intents, rising, as envelopes number them
    key_words: int  # of all pages of one intent
    page_count: int  # at most, for one intent
    scratch_words: int
    compiled: tuple[int, ...]  # the type ids of intents that are
    left_out: dict[str, str] = field(default_factory=dict[str, str])  # intents that run interpreted, and why


def make_module(bundle: Bundle, exclude: Sequence[str] = ()) -> Module:
    """Generate a bundle's module; intents in `exclude` are left to the interpreter."""
    return _Generator(bundle).module(exclude)


class _Generator:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.constants = Constants()
        self.pages = bundle.descriptor.pages
        self.kinds = {page.type_id: kind for kind, page in enumerate(self.pages)}
        self.intents = tuple(
            sorted([p.layout.type_id for p in bundle.programs] + [b.type_id for b in BUILT_IN.values()])
        )
        self.types = tuple(sorted([*self.intents, *self.kinds]))
        self.scratch_words = 1
        self.functions: list[str] = []
        self.targets: dict[str, Target] = {}

    def module(self, exclude: Sequence[str]) -> Module:
        left_out: dict[str, str] = dict.fromkeys(exclude, "its code could not be compiled")
        compiled: list[tuple[Program, list[PagePlan]]] = []
        for write in (self._open, self._intent):
            compiled = []
            for program in self.bundle.programs:
                if program.layout.name not in left_out:
                    try:
                        compiled.append((program, write(program)))
                    except Uncompilable as reason:
                        left_out[program.layout.name] = str(reason)
        self._loops(compiled)
        aim = f"AIM = {self.scratch_words}  # where in `aside` the keys of an emitted intent go"
        head = [_HEAD.format(name=repr(self.bundle.app)), *self.constants.lines(), *self._numbers(), aim]
        body = [*head, *self.functions]
        text = "\n".join(body) + "\n"
        most = max((len(plans) for _, plans in compiled), default=1)
        keys = max((sum(plan.key_words for plan in plans) for _, plans in compiled), default=1)
        name = f"mmsb_bundle_{blake3(text.encode()).hexdigest()[:20]}"
        sizes = (keys, most, self.scratch_words, tuple(program.layout.type_id for program, _ in compiled))
        return Module(name, text, self.pages, self.types, self.intents, *sizes, left_out)

    def _numbers(self) -> list[str]:
        """Where each page type stands among the block's types, and each intent type."""
        pages = [f"number_of_page{kind} = {self.types.index(page.type_id)}" for kind, page in enumerate(self.pages)]
        numbers = ", ".join(str(self.types.index(type_id)) for type_id in self.intents)
        return [*pages, f"NUMBERS = np.array([{numbers}], np.int64)"]

    def _open(self, program: Program) -> list[PagePlan]:
        """What comes before an intent's pages, which those that emit it need too."""
        code, name = program.code, program.layout.name
        if _count([code.query, code.predicate, code.delta]) > NODES_MAX:
            raise Uncompilable(f"it is longer than NODES_MAX = {NODES_MAX} nodes")

        def check(body: Body) -> None:
            check_arguments(body)
            body.source.line("return GO_ON")

        self.functions += [
            self._function(program, f"check_{name}({_CHECK})", check),
            self._function(program, f"query_{name}({_QUERY})", lambda b: write_query(b, code.query), cause="cause"),
            self._function(program, f"partition_{name}({_PARTITION})", lambda b: write_partitions(b, code.query)),
        ]
        self.targets[name] = Target(program.layout, code.query[0][0])
        return []

    def _intent(self, program: Program) -> list[PagePlan]:
        """The functions that lower one intent, or none."""
        code, name = program.code, program.layout.name
        layouts = tuple(page for page, _ in code.query)
        plans = plan_pages(layouts, self.kinds, code.predicate, code.delta)
        texts: list[str] = []
        arrays = "".join(f", index{kind}, arena{kind}" for kind in sorted({plan.kind for plan in plans}))
        slots = "".join(f", slot{plan.number}" for plan in plans)
        number = self.types.index(program.layout.type_id)
        alike = aliases(plans)
        if alike:
            texts.append(
                self._function(
                    program,
                    f"lower_aliased_{name}({_LOWER}{slots}{arrays})",
                    lambda b: write_lowering(b, Aliased(b, self._placed(b, plans)), code, number),
                    decorator="@inner",
                )
            )

        def lower(body: Body) -> None:
            find_slots(body, plans)
            if alike:
                with body.source.block(f"if {alike}:"):
                    body.source.line(f"return lower_aliased_{name}({_LOWER}{slots}{arrays})")
            write_lowering(body, Distinct(body, self._placed(body, plans)), code, number)

        texts.append(self._function(program, f"lower_{name}({_LOWER}{arrays})", lower))
        self.functions += texts
        return plans

    def _placed(self, body: Body, plans: Sequence[PagePlan]) -> Sequence[PagePlan]:
        """Keep the pages' rows out of what else takes scratch."""
        body.take(sum(plan.words + 2 for plan in plans))
        return plans

    def _function(
        self, program: Program, signature: str, write: Any, cause: str | None = None, decorator: str = "@inlined"
    ) -> str:
        source = Source()
        layouts = tuple(page for page, _ in program.code.query)
        room = text_room(layouts, program.layout, [program.code.query, program.code.predicate, program.code.delta])
        type_id = cause or self.constants.word(program.layout.type_id)
        messages, hops_max = self.bundle.message_numbers, self.bundle.hops_max
        known = (source, self.constants, program.layout, layouts, messages, type_id)
        body = Body(*known, room=room, targets=self.targets, hops_max=hops_max)
        with source.block(f"def {signature}:"):
            write(body)
        self.scratch_words = max(self.scratch_words, body.scratch_words)
        return "\n".join(["", "", decorator, *source.lines])

    def _loops(self, compiled: Sequence[tuple[Program, list[PagePlan]]]) -> None:
        for write in (self._find_loop, self._lower_loop):
            source = Source()
            write(source, compiled)
            self.functions.append("\n".join(["", "", "@kernel", *source.lines]))

    @property
    def _arrays(self) -> str:
        return "".join(f", index{kind}, arena{kind}" for kind in range(len(self.pages)))

    def _find_loop(self, source: Source, compiled: Sequence[tuple[Program, list[PagePlan]]]) -> None:
        keys = max((sum(plan.key_words for plan in plans) for _, plans in compiled), default=1)
        most = max((len(plans) for _, plans in compiled), default=1)
        arguments = (
            "start, stop, buffer, columns, envelopes, keys, hashes, slots, scratch, text8, partitions, partition"
        )
        with source.block(f"def find_pages({arguments}, rejections{self._arrays}):"):
            source.line('"""Rules 6 and 7, the keys of pages, and where these probably are."""')
            with source.block("for i in range(start, stop):"):
                with source.block("if envelopes[VERDICT, i] != GO_ON:"):
                    source.line("continue")
                source.line("number = envelopes[TYPE, i]")
                source.line("at = envelopes[ARGUMENTS_AT, i]")
                source.line("size = envelopes[ARGUMENTS_SIZE, i]")
                source.line("reject_at = 4 * i")
                source.line(f"key = {keys} * (i - start)")
                source.line(f"slot_at = {most} * (i - start)")
                source.line("verdict = GO_ON")
                self._dispatch(source, compiled, self._find_one)
                with source.block("elif number >= 0:"):
                    source.line("verdict = SLOW")
                with source.block("else:"):
                    source.line("strange = load_u64(buffer, columns[VALUE_AT, i] + 8)")
                    source.line(f"put_rejection(rejections, reject_at, {self._unknown_type()}, NONE, strange, NONE)")
                    source.line("verdict = REFUSED")
                source.line("envelopes[VERDICT, i] = verdict")
            with source.block("for i in range(start, stop):"):
                with source.block("if envelopes[VERDICT, i] != GO_ON:"):
                    source.line("continue")
                source.line("number = envelopes[TYPE, i]")
                source.line(f"slot_at = {most} * (i - start)")
                self._dispatch(source, compiled, self._guess_one)

    def _unknown_type(self) -> str:
        from mmsb.kernels.rejections import U64, head
        from mmsb.schemas.rejections import Code

        return self.constants.word(head(Code.UNKNOWN_TYPE, kind=U64))

    def _dispatch(self, source: Source, compiled: Sequence[tuple[Program, list[PagePlan]]], write: Any) -> None:
        word = "if"
        for program, plans in compiled:
            with source.block(f"{word} number == {self.intents.index(program.layout.type_id)}:"):
                write(source, program, plans)
            word = "elif"
        if not compiled:
            with source.block("if number < -1:"):
                pass

    def _find_one(self, source: Source, program: Program, plans: Sequence[PagePlan]) -> None:
        name = program.layout.name
        query = _QUERY.replace("cause", self.constants.word(program.layout.type_id))
        source.line(f"verdict = check_{name}({_CHECK})")
        with source.block("if verdict == GO_ON:"):
            source.line(f"verdict = query_{name}({query})")
        with source.block("if verdict == GO_ON and partitions > 1:"):
            source.line(f"verdict = partition_{name}({_PARTITION})")
        with source.block("if verdict == GO_ON:"):
            for plan in plans:
                place = f"hashes[slot_at + {plan.number}]"
                source.line(f"{place} = hash_key(keys, key + {plan.key_at}, {plan.key_words}, index{plan.kind}[SALT])")
                source.line(f"prefetch_entry(index{plan.kind}, {place})")

    def _guess_one(self, source: Source, program: Program, plans: Sequence[PagePlan]) -> None:
        for plan in plans:
            place = f"slots[slot_at + {plan.number}]"
            source.line(f"{place} = candidate(index{plan.kind}, hashes[slot_at + {plan.number}])")
            with source.block(f"if {place} >= 0:"):
                source.line(f"prefetch_page(arena{plan.kind}, {plan.stride}, {place})")

    def _lower_loop(self, source: Source, compiled: Sequence[tuple[Program, list[PagePlan]]]) -> None:
        keys = max((sum(plan.key_words for plan in plans) for _, plans in compiled), default=1)
        most = max((len(plans) for _, plans in compiled), default=1)
        arguments = (
            "start, stop, first, buffer, envelopes, run, keys, slots, scratch, rejections, block, block8, counts, digest, "
            "text8, aside, sent, log, partitions, partition"
        )
        with source.block(f"def lower({arguments}{self._arrays}):"):
            source.line('"""Rules 8 and 9 in order; stops before what it leaves to others, and says which and why."""')
            with source.block("for i in range(start, stop):"):
                source.extend(
                    (
                        "verdict = envelopes[VERDICT, i]",
                        "number = envelopes[TYPE, i]",
                        "at = envelopes[ARGUMENTS_AT, i]",
                        "now = run[NOW, i]",
                        "offset = first + i",
                        "epoch = np.uint64(offset + 1)",
                        "reject_at = 4 * i",
                        f"key = {keys} * (i - start)",
                        f"slot_at = {most} * (i - start)",
                        "extra = extra_words(envelopes, run, counts, i)",
                    )
                )
                with source.block("if verdict == GO_ON:"):
                    self._dispatch(source, compiled, self._lower_one)
                makes_up = [
                    str(self.intents.index(p.layout.type_id)) for p, _ in compiled if p.layout.on_rejected is not None
                ]
                if makes_up:
                    which = " or ".join(f"number == {at}" for at in makes_up)
                    with source.block(f"if verdict == REFUSED and envelopes[SOURCE_KIND, i] == 1 and ({which}):"):
                        source.line("verdict = SLOW")
                with source.block("if verdict == SLOW or verdict == CUT or verdict == GROW:"):
                    source.line("return i, verdict")
                source.line("known = NUMBERS[number] if number >= 0 else number")
                with source.block("if verdict != APPLIED:"):
                    source.line("more = extra + words_of_verdict(verdict)")
                    with source.block("if not fits(counts, more, is_new(counts, known)):"):
                        source.line("return i, CUT")
                source.line("add_outcome(buffer, envelopes, run, rejections, i, verdict, known, block, block8, counts)")
            source.line("return stop, GO_ON")

    def _lower_one(self, source: Source, program: Program, plans: Sequence[PagePlan]) -> None:
        arrays = "".join(f", index{kind}, arena{kind}" for kind in sorted({plan.kind for plan in plans}))
        source.line(f"verdict = lower_{program.layout.name}({_LOWER}{arrays})")


def _count(node: Any) -> int:
    if isinstance(node, tuple | list):
        return 1 + sum(map(_count, node))
    return 0
