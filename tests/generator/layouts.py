"""Random fields, pages and keys, and what becomes of them in the next release."""

from dataclasses import replace
from random import Random

from tests.generator import values
from tests.model.bundle import Field, Page
from tests.model.constants import INTEGER_RANGES

NUMBERS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f64"]
WIDTHS = [1, 2, 3, 5, 7, 8, 9, 16]
Enum = tuple[str, tuple[tuple[str, int], ...]]


def random_enums(rng: Random) -> list[Enum]:
    enums = []
    for i in range(rng.choice([0, 1, 1, 2])):
        numbers = rng.sample([0, 1, 2, 3, 7, 255, 256, 65535], rng.randint(1, 4))
        enums.append((f"Kind{i}", tuple((f"M{n}", number) for n, number in enumerate(numbers))))
    return enums


def random_type(rng: Random, enums: list[Enum]) -> tuple[str, Enum]:
    """A type as the formats spell it, and its enum if it is one."""
    kind = rng.choice(["number", "number", "number", "i64", "i64", "text", "blob", "array", "bool", "time", "enum"])
    if kind == "number":
        return rng.choice(NUMBERS), ("", ())
    if kind in ("text", "blob"):
        return f"{kind}({rng.choice(WIDTHS)})", ("", ())
    if kind == "array":
        return f"{rng.choice(NUMBERS)}[{rng.choice([2, 3, 4, 9])}]", ("", ())
    if kind == "enum":
        return ("enum", rng.choice(enums)) if enums else ("bool", ("", ()))
    return kind, ("", ())


def random_bounds(rng: Random, type_name: str) -> tuple[tuple[str, int | float], ...]:
    base = type_name.split("[", maxsplit=1)[0]
    if base not in NUMBERS and base != "time":
        return ()
    if rng.random() < 0.6:
        return ()
    unsigned = base.startswith("u")
    lower = rng.choice([0, 1, 0, 0] if unsigned else [0, 0, -5, -100, 1])
    upper = rng.choice([20, 100, 127])
    bounds: list[tuple[str, int | float]] = []
    if rng.random() < 0.75:
        op = rng.choice(["ge", "gt"])
        bounds.append((op, lower + 0.5 if base == "f64" and rng.random() < 0.3 else lower))
    if rng.random() < 0.35:
        bounds.append((rng.choice(["le", "lt"]), upper))
    if base == "f64":
        return tuple((op, float(bound)) for op, bound in bounds)
    low, high = INTEGER_RANGES[base]
    return tuple((op, min(max(int(bound), low), high)) for op, bound in bounds)


def random_field(rng: Random, name: str, enums: list[Enum], *, page: bool, type_name: str = "") -> Field:
    enum: Enum = ("", ())
    if not type_name:
        type_name, enum = random_type(rng, enums)
    bounds = random_bounds(rng, type_name)
    field = Field(name, type_name, bounds, None, *enum)
    zero_breaks = any(values.clamped(0, (bound,)) != 0 for bound in bounds)
    if (page and (enum[0] or zero_breaks)) or rng.random() < 0.2:
        field = Field(name, type_name, bounds, values.value(rng, field), *enum)
    return field


def random_page(rng: Random, index: int, enums: list[Enum]) -> Page:
    keys = ["u64", "i64", "u8", "i16", "i32", "text(8)", "text(3)", "blob(4)", "blob(8)", "u32", "i8", "u16"]
    count = rng.choice([1, 1, 1, 2, 2, 3])
    key = tuple(rng.choice(keys) for _ in range(count))
    partition_by = None
    if count > 1 and rng.random() < 0.5:
        partition_by = tuple(sorted(rng.sample(range(count), rng.randint(1, count))))
    fields = tuple(random_field(rng, f"f{i}", enums, page=True) for i in range(rng.choice([1, 2, 3, 4, 5, 8, 14])))
    return Page(f"Page{index}", key, fields, partition_by)


WIDER = {"i8": "i16", "i16": "i32", "i32": "i64", "u8": "i16", "u16": "u32", "u32": "u64"}


def evolved_pages(rng: Random, pages: tuple[Page, ...]) -> tuple[Page, ...]:
    """The page types a release later: fields added, dropped, renamed, widened and moved; pages gone and new."""
    enums = sorted({(f.enum, f.members) for page in pages for f in page.fields if f.enum})
    kept = [page for page in pages if rng.random() < 0.9] or [pages[0]]
    out = [evolved_page(rng, page, enums) if rng.random() < 0.6 else page for page in kept]
    if rng.random() < 0.2:
        out.append(random_page(rng, len(pages), enums))
    return tuple(out)


def evolved_page(rng: Random, page: Page, enums: list[Enum]) -> Page:
    fields = list(page.fields)
    for number in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(fields))
        change = rng.choice(["add", "drop", "rename", "widen", "move"])
        if change == "add":
            fields.insert(at, random_field(rng, f"g{number}", enums, page=True))
        elif change == "drop" and len(fields) > 1:
            del fields[at]
        elif change == "rename":
            fields[at] = replace(fields[at], name=f"h{number}")
        elif change == "widen":
            fields[at] = replace(fields[at], type=wider(rng, fields[at].type))
        elif change == "move":
            fields.append(fields.pop(at))
    return replace(page, fields=tuple(fields))


def wider(rng: Random, type_name: str) -> str:
    if type_name.startswith("text"):
        return f"text({int(type_name[5:-1]) + rng.randint(1, 9)})"
    return WIDER.get(type_name, type_name)
