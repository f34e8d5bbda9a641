"""A bundle's module: for each intent what checks, names and lowers, and the two loops over a batch that call it.

The text depends on the bundle alone, and its hash names it. Compiled code of one text is found again by any process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from blake3 import blake3

from mmsb.processors.bundle import Bundle
from mmsb.processors.compiling.accesses import Aliased, Distinct, PagePlan, plan_pages
from mmsb.processors.compiling.bodies import Body, Target, text_room
from mmsb.processors.compiling.checks import check_arguments
from mmsb.processors.compiling.loops import Loops, Lowering
from mmsb.processors.compiling.lowerings import aliases, find_slots, write_lowering
from mmsb.processors.compiling.queries import write_partitions, write_query
from mmsb.processors.compiling.source import Constants, Source, Uncompilable
from mmsb.processors.compiling.templates import CHECK, HEAD, LOWER, PARTITION, QUERY
from mmsb.processors.compiling.walking import count
from mmsb.processors.programs import Program
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.upserts import BUILT_IN

T = TypeVar("T")

NODES_MAX: Final = 2_000
"""An intent with more IR nodes is left to the interpreter: compiling takes time that grows faster than its length."""


@dataclass
class Module:
    """The text of a bundle's module, and what whoever calls it must know."""

    name: str
    text: str
    pages: tuple[PageLayout, ...]  # in the order of the module's arenas
    types: tuple[int, ...]  # all type ids, rising, as blocks number them
    intents: tuple[int, ...]  # the type ids of intents, rising, as envelopes number them
    layouts: tuple[IntentLayout, ...]  # of intents that users declared
    key_words: int  # of all pages of one intent
    page_count: int  # at most, for one intent
    scratch_words: int
    queries: dict[int, tuple[int, ...]]  # by the type ids of intents that are compiled: those of the pages they name
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
        for program in self._programs(left_out):
            self._try(self._open, program, left_out)
        plans = {p.layout.name: self._try(self._intent, p, left_out) for p in self._programs(left_out)}
        compiled = [Lowering(program, plans[program.layout.name] or []) for program in self._programs(left_out)]
        loops = Loops(self.constants, self.intents, len(self.pages), compiled)
        functions = [*self.functions, *loops.texts()]
        aim = f"AIM = {self.scratch_words}  # where in `aside` the keys of an emitted intent go"
        start = [HEAD.format(name=repr(self.bundle.app)), *self.constants.lines(), *self._numbers(), aim]
        text = "\n".join([*start, *functions]) + "\n"
        return Module(
            f"mmsb_bundle_{blake3(text.encode()).hexdigest()[:20]}",
            text,
            self.pages,
            self.types,
            self.intents,
            self.bundle.descriptor.intents,
            loops.key_words,
            loops.page_count,
            self.scratch_words,
            {one.program.layout.type_id: tuple(plan.layout.type_id for plan in one.plans) for one in compiled},
            left_out,
        )

    def _programs(self, left_out: dict[str, str]) -> list[Program]:
        return [program for program in self.bundle.programs if program.layout.name not in left_out]

    def _try(self, write: Callable[[Program], T], program: Program, left_out: dict[str, str]) -> T | None:
        try:
            return write(program)
        except Uncompilable as reason:
            left_out[program.layout.name] = str(reason)
            return None

    def _numbers(self) -> list[str]:
        """Where each page type stands among the block's types, and each intent type."""
        pages = [f"number_of_page{kind} = {self.types.index(page.type_id)}" for kind, page in enumerate(self.pages)]
        numbers = ", ".join(str(self.types.index(type_id)) for type_id in self.intents)
        return [*pages, f"NUMBERS = np.array([{numbers}], np.int64)"]

    def _open(self, program: Program) -> None:
        """What comes before an intent's pages, which those that emit it need too."""
        code, name = program.code, program.layout.name
        if count([code.query, code.predicate, code.delta]) > NODES_MAX:
            raise Uncompilable(f"it is longer than NODES_MAX = {NODES_MAX} nodes")

        def check(body: Body) -> None:
            check_arguments(body)
            body.source.line("return GO_ON")

        self.functions += [
            self._function(program, f"check_{name}({CHECK})", check),
            self._function(program, f"query_{name}({QUERY})", partial(write_query, query=code.query), cause="cause"),
            self._function(program, f"partition_{name}({PARTITION})", partial(write_partitions, query=code.query)),
        ]
        self.targets[name] = Target(program.layout, code.query[0][0])

    def _intent(self, program: Program) -> list[PagePlan]:
        """The functions that lower one intent, or none."""
        code, name = program.code, program.layout.name
        layouts = tuple(page for page, _ in code.query)
        plans = plan_pages(layouts, self.kinds, code.predicate, code.delta)
        arrays = Lowering(program, plans).arrays
        slots = "".join(f", slot{plan.number}" for plan in plans)
        number = self.types.index(program.layout.type_id)
        alike = aliases(plans)

        def lower_aliased(body: Body) -> None:
            write_lowering(body, Aliased(body, self._placed(body, plans)), code, number)

        def lower(body: Body) -> None:
            find_slots(body, plans)
            if alike:
                with body.source.block(f"if {alike}:"):
                    body.source.line(f"return lower_aliased_{name}({LOWER}{slots}{arrays})")
            write_lowering(body, Distinct(body, self._placed(body, plans)), code, number)

        texts = [self._function(program, f"lower_{name}({LOWER}{arrays})", lower)]
        if alike:
            signature = f"lower_aliased_{name}({LOWER}{slots}{arrays})"
            texts.insert(0, self._function(program, signature, lower_aliased, decorator="@inner"))
        self.functions += texts
        return plans

    def _placed(self, body: Body, plans: Sequence[PagePlan]) -> Sequence[PagePlan]:
        """Keep the pages' rows out of what else takes scratch."""
        body.take(sum(plan.words + 2 for plan in plans))
        return plans

    def _function(
        self,
        program: Program,
        signature: str,
        write: Callable[[Body], None],
        cause: str | None = None,
        decorator: str = "@inlined",
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
