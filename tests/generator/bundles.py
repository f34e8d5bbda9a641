"""Random bundles: `random_bundle(rng)` gives a description that MMSB must accept, and that often applies."""

from random import Random

from tests.generator import layouts, values
from tests.generator.expressions import Known, Scope, array_length, lit, read_type
from tests.generator.statements import Writer, page_helper, value_helper
from tests.model.bundle import Body, Bundle, Field, Intent, Page, Tree

CONSTANTS = (
    ("i64", "STEP", 3),
    ("i64", "LOWEST", -(2**63)),
    ("i64", "HIGHEST", 2**63 - 1),
    ("f64", "RATE", 0.25),
    ("text", "WORD", "né"),
    ("bool", "YES", True),
)


def random_bundle(rng: Random, name: str = "generated", pages: tuple[Page, ...] = ()) -> Bundle:
    """New code over new page types, or over those that are given."""
    if pages:
        enums = sorted({(f.enum, f.members) for page in pages for f in page.fields if f.enum})
    else:
        enums = layouts.random_enums(rng)
        pages = tuple(layouts.random_page(rng, i, enums) for i in range(rng.choice([1, 1, 2, 3, 4])))
    constants = tuple(c for c in CONSTANTS if rng.random() < 0.3)
    known = Known(tuple(enums), constants, (), (), pages)
    for i in range(rng.choice([0, 1, 2, 3])):
        if rng.random() < 0.5:
            made = value_helper(rng, known, f"helper{i}")
        else:
            made = page_helper(rng, known, f"helper{i}", rng.choice(pages))
        known = Known(known.enums, constants, (*known.helpers, made), (), pages)
    for i in range(rng.choice([1, 2, 3, 4, 5])):
        intent = random_intent(rng, known, f"Intent{i}", enums)
        known = Known(known.enums, constants, known.helpers, (*known.intents, intent), pages)
    return Bundle(
        name,
        pages,
        compensated(rng, known.intents),
        tuple(helper for helper, _, _ in known.helpers),
        rng.choice([1, 1, 2, 8, 8, 255]),
        tuple((constant, repr(value)) for _, constant, value in constants),
    )


def random_intent(rng: Random, known: Known, name: str, enums: list[layouts.Enum]) -> Intent:
    fields: list[Field] = []
    query: list[tuple[str, tuple[Tree, ...]]] = []
    for _ in range(rng.choice([1, 1, 2, 2, 3])):
        page = rng.choice(known.pages)
        query.append((page.name, tuple(key_component(rng, kind, fields) for kind in page.key)))
    fields += [
        layouts.random_field(rng, f"a{len(fields) + i}", enums, page=False) for i in range(rng.choice([0, 1, 2, 3, 4]))
    ]
    fields = [with_default(rng, f) if array_length(f) and rng.random() < 0.5 else f for f in fields]
    ordered = tuple(sorted(fields, key=lambda f: f.default is not None))
    names = tuple(f"page{i}" for i in range(len(query)))
    by_name = {page.name: page for page in known.pages}
    pages: dict[str, Page] = {names[i]: by_name[page] for i, (page, _) in enumerate(query)}
    return Intent(
        name,
        ordered,
        tuple(query),
        names,
        delta_body(Scope(rng, known, ordered, dict(pages))),
        predicate_body(Scope(rng, known, ordered, dict(pages))) if rng.random() < 0.4 else None,
    )


def with_default(rng: Random, f: Field) -> Field:
    """An intent with an array can be emitted only if the array has a default."""
    return Field(f.name, f.type, f.bounds, values.value(rng, f))


def key_component(rng: Random, kind: str, fields: list[Field]) -> Tree:
    """A key's component over the intent's fields, which may grow by one."""
    wanted = "i64" if kind in ("i8", "i16", "i32", "i64", "u8", "u16", "u32") else kind.split("(", maxsplit=1)[0]
    if wanted == "blob":
        wanted = kind
    usable = [f for f in fields if read_type(f) == wanted and not array_length(f)]
    chance = rng.random()
    if wanted == "i64" and chance < 0.1:
        return lit(rng.randint(0, 3))
    if not usable or chance < 0.7:
        type_name = rng.choice(["u8", "i64", kind, kind]) if wanted == "i64" else kind
        usable = [Field(f"a{len(fields)}", type_name)]
        fields += usable
    tree: Tree = ("arg", rng.choice(usable).name)
    if wanted == "i64" and rng.random() < 0.4:
        if rng.random() < 0.8:
            return ("bin", "%", tree, lit(rng.choice([2, 3, 5])))
        return ("bin", rng.choice("+-"), tree, lit(1))
    return tree


def delta_body(scope: Scope) -> Body:
    writer = Writer(scope, emits=True)
    body = writer.body(scope.rng.choice([1, 1, 2, 3, 4]), 2)
    for _ in range(scope.rng.choice([0, 1, 1, 2])):
        write = writer.s_set(scope, 0, False) if scope.rng.random() < 0.5 else writer.s_aug(scope, 0, False)
        body = (*body, write) if write else body
    if scope.rng.random() < 0.1:
        early: Tree = ("if", ((scope.condition(1), (("return", None),)),), ())
        body = (*body, early, *writer.body(1, 1))
    return body


def predicate_body(scope: Scope) -> Body:
    rng = scope.rng
    writer = Writer(scope, writes=False, budget=3)
    body: list[Tree] = list(writer.body(rng.randint(1, 2), 1)) if rng.random() < 0.4 else []
    if rng.random() < 0.2:
        condition = scope.condition(1)
        return (*body, ("if", ((condition, (("return", scope.boolean(1)),)),), (("return", scope.condition(1)),)))
    result = scope.condition(2)
    if rng.random() < 0.6:
        result = ("or", (("not", ("compare", scope.i64(0), (("==", lit(rng.randint(0, 5))),))), result))
    return (*body, ("return", result))


def compensated(rng: Random, intents: tuple[Intent, ...]) -> tuple[Intent, ...]:
    """Some of them get an `on_rejected`: one whose fields they all have, and whose query rejects nothing."""
    out = []
    for index, intent in enumerate(intents):
        own = {f.name: f.type for f in intent.fields}
        fitting = [
            other.name
            for other in intents[index + 1 :]  # never in a circle
            if all(own.get(f.name) == f.type and f in intent.fields for f in other.fields) and safe_query(other)
        ]
        on_rejected = rng.choice(fitting) if fitting and rng.random() < 0.6 else None
        out.append(
            Intent(intent.name, intent.fields, intent.query, intent.pages, intent.delta, intent.predicate, on_rejected)
        )
    return tuple(out)


def safe_query(intent: Intent) -> bool:
    return all(tree[0] in ("lit", "arg") for _, components in intent.query for tree in components)
