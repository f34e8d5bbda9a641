"""Random statements: bodies of predicates, deltas and helpers."""

from dataclasses import dataclass
from random import Random

from tests.generator.expressions import Known, Scope, array_length, lit, read_type
from tests.model.bundle import Body, Field, Helper, Page, Param, Tree

MESSAGES = ["no", "not enough", "closed", "über", 'a "quoted" \\ text', "zero €", "A", "not {}", "from {} to {}"]
KINDS = ["i64", "i64", "i64", "f64", "bool"]


@dataclass
class Writer:
    """Writes the statements of one function."""

    scope: Scope
    writes: bool = True  # may pages be changed?
    emits: bool = False
    rejects: bool = True
    budget: int = 12

    def body(self, count: int, depth: int, scope: Scope | None = None, *, loop: bool = False) -> Body:
        scope = scope or self.scope
        out: list[Tree] = []
        for _ in range(count):
            if self.budget > 0:
                self.budget -= 1
                out.append(self.statement(scope, depth, loop))
        return tuple(out) or (("pass",),)

    def statement(self, scope: Scope, depth: int, loop: bool) -> Tree:
        rng = scope.rng
        choices = ["assign", "assign", "aug_local"]
        if self.writes and scope.pages:
            choices += ["set"] * 5 + ["aug"] * 4 + ["set_at"] * 2
            choices += ["delete"] if rng.random() < 0.12 and not loop else []
            choices += ["helper"]
        if depth > 0:
            choices += ["if", "if", "for_range", "for_array"]
        if self.emits:
            choices += ["emit"] * 3
        if self.rejects and rng.random() < 0.3:
            choices += ["reject"]
        made = getattr(self, "s_" + rng.choice(choices))(scope, depth, loop)
        return made if made is not None else self.s_assign(scope, depth, loop)

    def s_assign(self, scope: Scope, _depth: int, _loop: bool) -> Tree:
        kind = scope.rng.choice(KINDS)
        others = [its for its in scope.readable() if its not in ("i64", "f64", "bool")]
        if others and scope.rng.random() < 0.25:
            kind = scope.rng.choice(others)
            tree = scope.rng.choice(scope.reads(kind, 0))
        else:
            tree = scope.expression(kind)
        name = scope.fresh()
        scope.locals[name] = kind
        return ("assign", name, tree)

    def s_aug_local(self, scope: Scope, _depth: int, _loop: bool) -> Tree | None:
        names = [name for name, kind in scope.locals.items() if kind in ("i64", "f64")]
        if not names:
            return None
        name = scope.rng.choice(names)
        op, right = self.operation(scope, scope.locals[name])
        if scope.rng.random() < 0.3:
            return ("assign", name, scope.expression(scope.locals[name]))
        return ("aug", op, ("name", name), right)

    def operation(self, scope: Scope, kind: str) -> tuple[str, Tree]:
        op = scope.rng.choice(
            ["+", "+", "-", "*", "/"] if kind == "f64" else ["+", "+", "-", "-", "*", "//", "%", "&", "|", "^"]
        )
        if op == "/":
            return op, lit(scope.rng.choice([2.0, 3.0, -0.5]))
        if op in ("//", "%"):
            return op, lit(scope.rng.choice([2, 3, 10, -4])) if scope.rng.random() < 0.85 else scope.i64(1)
        if op == "*":
            return op, scope.literal(kind)
        return op, scope.expression(kind, 1)

    def writable(self, scope: Scope, kinds: tuple[str, ...] = (), *, arrays: bool = False) -> list[tuple[str, Field]]:
        return [
            (name, f)
            for name, page in scope.pages.items()
            for f in page.fields
            if bool(array_length(f)) == arrays and (not kinds or read_type(f) in kinds)
        ]

    def s_set(self, scope: Scope, _depth: int, _loop: bool) -> Tree | None:
        places = self.writable(scope)
        if not places:
            return None
        page, f = scope.rng.choice(places)
        return ("set", page, f.name, scope.fitting(f))

    def s_set_at(self, scope: Scope, _depth: int, _loop: bool) -> Tree | None:
        places = self.writable(scope, arrays=True)
        if not places:
            return None
        page, f = scope.rng.choice(places)
        index = scope.index(array_length(f), 1)
        if read_type(f) in ("i64", "f64") and scope.rng.random() < 0.5:
            op, right = self.operation(scope, read_type(f))
            return ("aug", op, ("get_at", page, f.name, index), right)
        return ("set_at", page, f.name, index, scope.fitting(f, 1))

    def s_aug(self, scope: Scope, _depth: int, _loop: bool) -> Tree | None:
        places = self.writable(scope, ("i64", "f64"))
        if not places:
            return None
        page, f = scope.rng.choice(places)
        op, right = self.operation(scope, read_type(f))
        narrow = f.type not in ("i64", "f64", "time")
        if narrow and scope.rng.random() < 0.6:
            op, right = "+", lit(scope.rng.choice([0, 1, 1, 2, -1]))
        return ("aug", op, ("get", page, f.name), right)

    def s_delete(self, scope: Scope, _depth: int, _loop: bool) -> Tree:
        page = scope.rng.choice(list(scope.pages))
        if scope.rng.random() < 0.5:
            return ("delete", page)
        return ("if", ((scope.condition(1), (("delete", page),)),), ())

    def s_helper(self, scope: Scope, _depth: int, _loop: bool) -> Tree | None:
        """A call of a helper that writes a page."""
        calls: list[Tree] = []
        for helper, kinds, result in scope.known.helpers:
            if result or "page" not in kinds:
                continue
            pages = [name for name, page in scope.pages.items() if page.name == helper.params[0].page]
            if pages:
                rest = tuple((None, scope.expression(kind, 1)) for kind in kinds[1:])
                calls.append(("call", helper.name, ((None, ("page", scope.rng.choice(pages))), *rest)))
        return scope.rng.choice(calls) if calls else None

    def s_if(self, scope: Scope, depth: int, loop: bool) -> Tree:
        rng = scope.rng
        arms = []
        for _ in range(rng.choice([1, 1, 1, 2])):
            condition = scope.condition(2)
            arms.append((condition, self.body(rng.randint(1, 2), depth - 1, scope.inner(), loop=loop)))
        rest = self.body(rng.randint(1, 2), depth - 1, scope.inner(), loop=loop) if rng.random() < 0.4 else ()
        return ("if", tuple(arms), rest)

    def s_for_range(self, scope: Scope, depth: int, _loop: bool) -> Tree:
        rng = scope.rng
        bounds = rng.choice([(0, 3, 1), (0, 1, 1), (1, 6, 2), (5, 0, -2), (0, 0, 1), (-2, 2, 1), (0, 20, 1)])
        inner = scope.inner()
        name = inner.fresh()
        inner.locals[name] = "i64"
        return ("for_range", name, bounds, self.body(rng.randint(1, 2), depth - 1, inner, loop=True))

    def s_for_array(self, scope: Scope, depth: int, _loop: bool) -> Tree | None:
        arrays = scope.arrays()
        if not arrays:
            return None
        owner, f = scope.rng.choice(arrays)
        inner = scope.inner()
        name = inner.fresh()
        inner.locals[name] = read_type(f)
        return ("for_array", name, owner, f.name, self.body(scope.rng.randint(1, 2), depth - 1, inner, loop=True))

    def s_reject(self, scope: Scope, _depth: int, _loop: bool) -> Tree:
        message = scope.rng.choice(MESSAGES)
        values = (scope.expression("i64") for _ in range(message.count("{}")))
        return ("if", ((scope.condition(1), (("reject", message, *values),)),), ())

    def s_emit(self, scope: Scope, _depth: int, _loop: bool) -> Tree | None:
        others = [i for i in scope.known.intents if not any(array_length(f) and f.default is None for f in i.fields)]
        if not others:
            return None
        other = scope.rng.choice(others)
        given: list[tuple[str | None, Tree]] = []
        named = False
        for f in other.fields:
            if array_length(f) or (f.default is not None and scope.rng.random() < 0.4):
                named = True  # an array field has a default: it cannot be given
                continue
            named = named or scope.rng.random() < 0.3
            same = [tree for tree in scope.reads(read_type(f), 0) if tree == ("arg", f.name)]
            tree = same[0] if same and scope.rng.random() < 0.6 else scope.fitting(f, 1)
            given.append((f.name if named else None, tree))
        return ("emit", other.name, tuple(given))


# Helpers


def value_helper(rng: Random, known: Known, name: str) -> tuple[Helper, tuple[str, ...], str]:
    kinds = tuple(rng.choice(KINDS) for _ in range(rng.randint(1, 3)))
    scope = Scope(rng, known, locals={f"p{i}": kind for i, kind in enumerate(kinds)})
    scope.clock = False
    result = rng.choice(KINDS)
    params: list[Param] = []
    for i, kind in enumerate(kinds):
        with_default = (params and params[-1].default is not None) or rng.random() < 0.2
        params.append(Param(f"p{i}", default=Scope(rng, Known()).literal(kind) if with_default else None))
    writer = Writer(scope, writes=False, rejects=False, budget=4)
    body: list[Tree] = list(writer.body(rng.randint(0, 2), 1)) if rng.random() < 0.6 else []
    if rng.random() < 0.3:
        condition = scope.condition(1)
        body.append(("if", ((condition, (("return", scope.expression(result, 1)),)),), ()))
    body.append(("return", scope.expression(result)))
    return Helper(name, tuple(params), tuple(body)), kinds, result


def page_helper(rng: Random, known: Known, name: str, page: Page) -> tuple[Helper, tuple[str, ...], str]:
    kinds = ("page", *(rng.choice(KINDS) for _ in range(rng.randint(0, 2))))
    scope = Scope(rng, known, pages={"page": page}, locals={f"p{i}": kind for i, kind in enumerate(kinds) if i})
    params = (Param("page", page.name), *(Param(f"p{i}") for i in range(1, len(kinds))))
    body = Writer(scope, budget=5).body(rng.randint(1, 3), 1)
    return Helper(name, params, body), kinds, ""
