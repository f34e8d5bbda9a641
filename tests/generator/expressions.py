"""Random well-typed expressions: bundle.py of the model lists the trees."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.generator import values
from tests.model.bundle import Field, Helper, Intent, Page, Tree
from tests.model.constants import I64_MAX, INTEGER_RANGES
from tests.model.layout import FieldLayout

COMPARISONS = ["<", "<=", ">", ">=", "==", "!="]


def lit(value: Any, text: str | None = None) -> Tree:
    return ("lit", value, repr(value) if text is None else text)


def read_type(f: Field) -> str:
    """What the language sees when it reads this field, or an element of it."""
    base = f.type.split("[")[0]
    if base == "enum":
        return "enum " + f.enum
    if base.startswith("text"):
        return "text"
    return "i64" if base in INTEGER_RANGES and base != "u64" else base


def array_length(f: Field) -> int:
    return FieldLayout(f, 0, 0).length


@dataclass(frozen=True)
class Known:
    """What a bundle under construction knows already."""

    enums: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    constants: tuple[tuple[str, str, Any], ...] = ()  # type, name, value
    helpers: tuple[tuple[Helper, tuple[str, ...], str], ...] = ()  # types of its parameters, and of its result
    intents: tuple[Intent, ...] = ()
    pages: tuple[Page, ...] = ()


@dataclass
class Scope:
    rng: Random
    known: Known
    args: tuple[Field, ...] = ()
    pages: dict[str, Page] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)
    clock: bool = True  # may mmsb.now() be called?
    counter: list[int] = field(default_factory=lambda: [0])

    def inner(self) -> "Scope":
        """A block's: what it assigns first is not known afterwards."""
        return replace(self, locals=dict(self.locals))

    def fresh(self) -> str:
        self.counter[0] += 1
        return f"v{self.counter[0]}"

    # Leaves

    def reads(self, kind: str, depth: int = 1) -> list[Tree]:
        """Everything of this type that can be read here."""
        found: list[Tree] = [("name", name) for name, its in self.locals.items() if its == kind]
        for owner, fields in [("self", self.args), *((name, page.fields) for name, page in self.pages.items())]:
            for f in fields:
                if read_type(f) != kind:
                    continue
                length = array_length(f)
                where = () if owner == "self" else (owner,)
                if length:
                    index = self.index(length, depth)
                    found.append(("arg_at" if owner == "self" else "get_at", *where, f.name, index))
                else:
                    found.append(("arg" if owner == "self" else "get", *where, f.name))
        return found

    def arrays(self) -> list[tuple[str, Field]]:
        owners = [("self", self.args), *((name, page.fields) for name, page in self.pages.items())]
        return [(owner, f) for owner, fields in owners for f in fields if array_length(f)]

    def index(self, length: int, depth: int) -> Tree:
        chance = self.rng.random()
        if depth <= 0 or chance < 0.6:
            return lit(self.rng.randrange(length))
        if chance < 0.95:
            return ("bin", "%", self.i64(0), lit(length))
        wild = self.i64(0)  # as a literal it would be refused when the class is defined
        return ("bin", "+", wild, lit(0)) if wild[0] in ("lit", "neg") else wild

    def literal(self, kind: str) -> Tree:
        rng = self.rng
        constants = [lit(value, name) for its, name, value in self.known.constants if its == kind]
        if constants and rng.random() < 0.3:
            return rng.choice(constants)
        if kind == "i64":
            return lit(rng.choice([0, 1, 1, 2, 3, 5, 10, -1, -2, 100, 1000, rng.randint(-99, 99)]))
        if kind == "u64":
            return lit(rng.choice([0, 1, 2, 3, I64_MAX, 2**64 - 1]))
        if kind == "f64":
            return lit(rng.choice([0.0, 1.0, 0.5, 2.0, -1.5, 10.0, 1e10, -0.0 if rng.random() < 0.2 else 3.0]))
        if kind == "bool":
            return lit(rng.random() < 0.5)
        if kind == "text":
            return lit(values.text(rng, rng.choice([1, 2, 5])))
        if kind.startswith("enum "):
            name = kind.removeprefix("enum ")
            member, number = rng.choice(dict(self.known.enums)[name])
            return lit(number, f"{name}.{member}")
        width = int(kind.removeprefix("blob(").removesuffix(")"))
        return lit(rng.choice([bytes(width), rng.randbytes(width)]))

    def leaf(self, kind: str) -> Tree:
        reads = self.reads(kind, 0)
        if reads and self.rng.random() < 0.75:
            return self.rng.choice(reads)
        return self.literal(kind)

    # Expressions

    def expression(self, kind: str, depth: int = 2) -> Tree:
        rng = self.rng
        if kind == "i64":
            return self.i64(depth)
        if kind == "f64":
            return self.f64(depth)
        if kind == "bool":
            return self.boolean(depth)
        if depth > 0 and rng.random() < 0.2:
            reads = self.reads(kind, 0)
            if kind != "u64":  # a literal alone would be an i64
                return ("ternary", self.condition(depth - 1), self.leaf(kind), self.leaf(kind))
            if reads:
                return ("ternary", self.condition(depth - 1), rng.choice(reads), rng.choice(reads))
        return self.leaf(kind)

    def calls(self, kind: str, depth: int) -> list[Tree]:
        """Calls of value helpers that give this type."""
        out: list[Tree] = []
        for helper, kinds, result in self.known.helpers:
            if result != kind or "page" in kinds:
                continue
            given: list[tuple[str | None, Tree]] = []
            named = False
            for param, its in zip(helper.params, kinds, strict=True):
                if param.default and self.rng.random() < 0.5:
                    named = True
                    continue
                named = named or self.rng.random() < 0.2
                given.append(
                    (param.name if named else None, self.leaf(its) if depth < 1 else self.expression(its, depth - 1))
                )
            if named:
                at = next((i for i, (name, _) in enumerate(given) if name), len(given))
                tail = given[at:]
                self.rng.shuffle(tail)
                given = given[:at] + tail
            out.append(("call", helper.name, tuple(given)))
        return out

    def i64(self, depth: int) -> Tree:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            return self.leaf("i64")
        pick = rng.choice(["+", "-", "+", "*", "//", "%", "bits", "minmax", "minmax", "if", "unary", "other", "call"])
        left = self.i64(depth - 1)
        if pick in ("+", "-"):
            return ("bin", pick, left, self.i64(depth - 1))
        if pick == "*":
            return ("bin", "*", left, self.literal("i64") if rng.random() < 0.8 else self.i64(0))
        if pick in ("//", "%"):
            divisor = lit(rng.choice([1, 2, 3, 7, -3, -1])) if rng.random() < 0.85 else self.leaf("i64")
            return ("bin", pick, left, divisor)
        if pick == "bits":
            return ("bin", rng.choice("&|^"), left, self.i64(0)) if rng.random() < 0.8 else ("invert", left)
        if pick == "minmax":
            count = rng.choice([1, 1, 2])
            return (rng.choice(["min", "max"]), (left, *(self.i64(0) for _ in range(count))))
        if pick == "if":
            return ("ternary", self.condition(depth - 1), left, self.i64(depth - 1))
        if pick == "unary":
            return (rng.choice(["neg", "abs"]), left)
        calls = self.calls("i64", depth) if pick == "call" else []
        if calls:
            return rng.choice(calls)
        arrays = self.arrays()
        if arrays and rng.random() < 0.3:
            owner, f = rng.choice(arrays)
            return ("len", owner, f.name)
        if rng.random() < 0.3:
            return ("int", self.f64(0) if rng.random() < 0.8 else left)
        return ("now",) if self.clock and rng.random() < 0.3 else left

    def f64(self, depth: int) -> Tree:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            return self.leaf("f64")
        pick = rng.choice(["+", "-", "*", "/", "minmax", "if", "unary", "float", "sqrt", "whole", "call"])
        left = self.f64(depth - 1)
        if pick in ("+", "-", "*"):
            return ("bin", pick, left, self.f64(depth - 1))
        if pick == "/":
            divisor = lit(rng.choice([2.0, 0.5, 3.0, -7.0])) if rng.random() < 0.8 else self.f64(0)
            return ("bin", "/", left, divisor)
        if pick == "minmax":
            return (rng.choice(["min", "max"]), (left, self.f64(0)))
        if pick == "if":
            return ("ternary", self.condition(depth - 1), left, self.f64(depth - 1))
        if pick == "unary":
            return (rng.choice(["neg", "abs"]), left)
        if pick == "float":
            return ("float", self.i64(depth - 1))
        if pick == "sqrt":
            return ("sqrt", ("abs", left) if rng.random() < 0.8 else left)
        reads = self.reads("f64", 0)
        if pick == "whole" and reads:
            whole = rng.randint(0, 9)  # an integer literal that becomes an f64
            return ("bin", rng.choice("+-*"), rng.choice(reads), lit(float(whole), str(whole)))
        calls = self.calls("f64", depth) if pick == "call" else []
        return rng.choice(calls) if calls else left

    def boolean(self, depth: int) -> Tree:
        if depth > 0 and self.rng.random() < 0.85:
            return self.condition(depth)
        return self.leaf("bool")

    def condition(self, depth: int) -> Tree:
        """A bool that is not just a literal."""
        rng = self.rng
        if depth > 0 and rng.random() < 0.35:
            pick = rng.choice(["and", "or", "not", "calls"])
            calls = self.calls("bool", depth) if pick == "calls" else []
            if calls:
                return rng.choice(calls)
            if pick == "not":
                return ("not", self.condition(depth - 1))
            return (
                "or" if pick == "or" else "and",
                tuple(self.condition(depth - 1) for _ in range(rng.choice([2, 2, 3]))),
            )
        if self.pages and rng.random() < 0.15:
            return ("exists", rng.choice(list(self.pages)))
        kinds = [kind for kind in self.readable() if kind]
        kind = rng.choice(kinds) if kinds else "i64"
        reads = self.reads(kind, depth)
        if kind == "bool" and reads and rng.random() < 0.5:
            return rng.choice(reads)
        if kind in ("i64", "f64"):
            return self.comparison(kind, reads, depth)
        left = rng.choice(reads)
        right = self.leaf(kind)
        return ("compare", left, ((rng.choice(["==", "!="]), right),))

    def comparison(self, kind: str, reads: list[Tree], depth: int) -> Tree:
        rng = self.rng
        left = rng.choice(reads) if reads else self.expression(kind, 1)
        if depth > 0 and rng.random() < 0.3:
            left = ("bin", "+", left, self.leaf(kind))
        if kind == "f64" and rng.random() < 0.2:
            return ("compare", left, ((rng.choice(COMPARISONS), lit(4.0, "4")),))
        count = 1 if rng.random() < 0.8 else 2
        steps = tuple((rng.choice(COMPARISONS), self.expression(kind, depth - 1)) for _ in range(count))
        return ("compare", left, steps)

    def readable(self) -> list[str]:
        kinds = list(self.locals.values())
        for fields in [self.args, *(page.fields for page in self.pages.values())]:
            kinds += [read_type(f) for f in fields]
        return kinds

    def fitting(self, f: Field, depth: int = 2) -> Tree:
        """Something to store into the field, or into an element of it; usually it fits."""
        rng, kind = self.rng, read_type(f)
        if kind == "f64" and rng.random() < 0.1:
            whole = rng.randint(0, 20)
            return lit(float(whole), str(whole))
        if kind == "text":
            return self.fitting_text(FieldLayout(f, 0, 0).width)
        tree = self.expression(kind, depth)
        if kind == "f64" and f.bounds and rng.random() < 0.8:
            for op, bound in f.bounds:
                inside = values.clamped(bound, ((op, bound),))
                tree = ("max" if op in ("ge", "gt") else "min", (tree, lit(float(inside))))
        if kind != "i64" or rng.random() < 0.12:
            return tree
        base = f.type.split("[")[0]
        low, high = INTEGER_RANGES[base]
        for op, bound in f.bounds:
            inside = values.clamped(bound, ((op, bound),))
            low, high = (max(low, inside), high) if op in ("ge", "gt") else (low, min(high, inside))
        if low == high or (base in ("i64", "time") and not f.bounds):
            return tree
        if low > -I64_MAX:
            tree = ("max", (tree, lit(low)))
        return ("min", (tree, lit(high))) if high < I64_MAX else tree

    def fitting_text(self, width: int) -> Tree:
        if self.rng.random() < 0.4:
            return lit(values.text(self.rng, width))
        return self.leaf("text")
