"""A bundle's description as the Python module that a user would write."""

import re
from typing import Any

from tests.model.bundle import Body, Bundle, Field, Helper, Intent, Page, Tree
from tests.model.constants import INTEGER_RANGES

IMPORTED = ("f64", "i8", "i16", "i32", "i64", "time", "u8", "u16", "u32", "u64")
OPERATORS = {"+", "-", "*", "/", "//", "%", "&", "|", "^"}


def render(bundle: Bundle, generation: int = 1) -> str:
    """The module's source; it defines `app` and every class by its name."""
    out = ["import enum", "", "import mmsb", f"from mmsb import {', '.join(sorted(IMPORTED))}", ""]
    out.append(f'app = mmsb.App("{bundle.app}", hops_max={bundle.hops_max}, generation={generation})')
    out += [f"{name} = {text}" for name, text in bundle.constants]
    enums: dict[str, tuple[tuple[str, int], ...]] = {}
    for fields in [*(page.fields for page in bundle.pages), *(intent.fields for intent in bundle.intents)]:
        enums |= {f.enum: f.members for f in fields if f.enum}
    for name, members in sorted(enums.items()):
        out += ["", "", f"class {name}(enum.IntEnum):"]
        out += [f"    {member} = {number}" for member, number in members]
    for page in bundle.pages:
        out += ["", "", *render_page(page)]
    for helper in bundle.helpers:
        out += ["", "", *render_helper(helper)]
    for intent in bundle.intents:
        out += ["", "", *render_intent(intent)]
    return "\n".join(out) + "\n"


def key_type(kind: str) -> str:
    return kind if kind in INTEGER_RANGES else f"mmsb.{kind}"


def render_page(page: Page) -> list[str]:
    key = ", ".join(key_type(kind) for kind in page.key)
    arguments = f"key={key}" if len(page.key) == 1 else f"key=({key})"
    if page.partition_by is not None:
        by = page.partition_by
        arguments += f", partition_by={by[0] if len(by) == 1 else by}"
    return [f"@app.page({arguments})", f"class {page.name}(mmsb.Page):", *map(render_field, page.fields)]


def render_field(f: Field) -> str:
    arguments = [f"{op}={bound!r}" for op, bound in f.bounds]
    if f.default is not None:
        arguments.append(f"default={default_text(f)}")
    match = re.fullmatch(r"(\w+)(?:\((\d+)\)|\[(\d+)\])?", f.type)
    assert match
    base, width, length = match.groups()
    if base in ("text", "blob"):
        annotation = "str" if base == "text" else "bytes"
        return f"    {f.name}: {annotation} = mmsb.{base}({', '.join([width, *arguments])})"
    if length:
        return f"    {f.name}: list[{base}] = mmsb.array({', '.join([length, *arguments])})"
    annotation = f.enum if base == "enum" else base
    field = f" = mmsb.field({', '.join(arguments)})" if arguments else ""
    return f"    {f.name}: {annotation}{field}"


def default_text(f: Field) -> str:
    if f.enum:
        names = {number: name for name, number in f.members}
        return f"{f.enum}.{names[f.default]}"
    return repr(list(f.default) if isinstance(f.default, tuple) else f.default)


def render_helper(helper: Helper) -> list[str]:
    params = [p.name if p.default is None else f"{p.name}={expression(p.default)}" for p in helper.params]
    return [f"def {helper.name}({', '.join(params)}):", *block(helper.body, 1)]


def render_intent(intent: Intent) -> list[str]:
    decorator = f'@app.intent(on_rejected="{intent.on_rejected}")' if intent.on_rejected else "@app.intent"
    pages = ", ".join(["self", *intent.pages])
    references = ", ".join(f"{page}[{', '.join(map(expression, key))}]" for page, key in intent.query)
    out = [decorator, f"class {intent.name}(mmsb.Intent):", *map(render_field, intent.fields)]
    out += ["", "    def query(self):", f"        return {references}"]
    if intent.predicate is not None:
        out += ["", f"    def predicate({pages}):", *block(intent.predicate, 2)]
    return [*out, "", f"    def delta({pages}):", *block(intent.delta, 2)]


def block(body: Body, depth: int) -> list[str]:
    return [line for tree in body or (("pass",),) for line in statement(tree, depth)]


def statement(tree: Tree, depth: int) -> list[str]:
    indent, kind = "    " * depth, tree[0]
    if kind == "if":
        out = []
        for i, (condition, body) in enumerate(tree[1]):
            out += [f"{indent}{'elif' if i else 'if'} {expression(condition)}:", *block(body, depth + 1)]
        return out + ([f"{indent}else:", *block(tree[2], depth + 1)] if tree[2] else [])
    if kind == "for_range":
        start, stop, step = tree[2]
        bounds = (
            f"{stop}" if (start, step) == (0, 1) else f"{start}, {stop}" if step == 1 else f"{start}, {stop}, {step}"
        )
        return [f"{indent}for {tree[1]} in range({bounds}):", *block(tree[3], depth + 1)]
    if kind == "for_array":
        return [f"{indent}for {tree[1]} in {tree[2]}.{tree[3]}:", *block(tree[4], depth + 1)]
    return [indent + simple_statement(tree)]


def simple_statement(tree: Tree) -> str:
    kind = tree[0]
    if kind == "assign":
        return f"{tree[1]} = {expression(tree[2])}"
    if kind == "set":
        return f"{tree[1]}.{tree[2]} = {expression(tree[3])}"
    if kind == "set_at":
        return f"{tree[1]}.{tree[2]}[{expression(tree[3])}] = {expression(tree[4])}"
    if kind == "aug":
        return f"{expression(tree[2])} {tree[1]}= {expression(tree[3])}"
    if kind == "return":
        return "return" if tree[1] is None else f"return {expression(tree[1])}"
    if kind == "reject":
        return f"mmsb.reject({', '.join([repr(tree[1]), *map(expression, tree[2:])])})"
    if kind == "delete":
        return f"mmsb.delete({tree[1]})"
    if kind == "emit":
        return f"mmsb.emit({tree[1]}({arguments(tree[2])}))"
    if kind == "call":
        return expression(tree)
    assert kind == "pass", kind
    return "pass"


def arguments(given: tuple[tuple[str | None, Tree], ...]) -> str:
    return ", ".join((f"{name}=" if name else "") + expression(tree) for name, tree in given)


def expression(tree: Tree) -> str:
    kind = tree[0]
    shapes: dict[str, Any] = {
        "lit": lambda: f"({tree[2]})" if tree[2].startswith("-") else tree[2],
        "name": lambda: tree[1],
        "page": lambda: tree[1],
        "arg": lambda: f"self.{tree[1]}",
        "arg_at": lambda: f"self.{tree[1]}[{expression(tree[2])}]",
        "get": lambda: f"{tree[1]}.{tree[2]}",
        "get_at": lambda: f"{tree[1]}.{tree[2]}[{expression(tree[3])}]",
        "len": lambda: f"len({tree[1]}.{tree[2]})",
        "bin": lambda: f"({expression(tree[2])} {tree[1]} {expression(tree[3])})",
        "neg": lambda: f"(-{expression(tree[1])})",
        "invert": lambda: f"(~{expression(tree[1])})",
        "not": lambda: f"(not {expression(tree[1])})",
        "abs": lambda: f"abs({expression(tree[1])})",
        "sqrt": lambda: f"mmsb.sqrt({expression(tree[1])})",
        "float": lambda: f"float({expression(tree[1])})",
        "int": lambda: f"int({expression(tree[1])})",
        "min": lambda: f"min({', '.join(map(expression, tree[1]))})",
        "max": lambda: f"max({', '.join(map(expression, tree[1]))})",
        "and": lambda: f"({' and '.join(map(expression, tree[1]))})",
        "or": lambda: f"({' or '.join(map(expression, tree[1]))})",
        "compare": lambda: f"({expression(tree[1])}{''.join(f' {op} {expression(b)}' for op, b in tree[2])})",
        "ternary": lambda: f"({expression(tree[2])} if {expression(tree[1])} else {expression(tree[3])})",
        "exists": lambda: f"mmsb.exists({tree[1]})",
        "now": lambda: "mmsb.now()",
        "call": lambda: f"{tree[1]}({arguments(tree[2])})",
    }
    return shapes[kind]()
