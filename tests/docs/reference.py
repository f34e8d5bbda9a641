"""docs/reference.md, made of docstrings, signatures and the comments behind fields: `python -m tests.docs.generate`."""

import ast
import enum
import inspect
import textwrap
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import mmsb

WIDTH = 125

NUMBERS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f64", "time")
TYPES = {
    **{
        name: f"A field or key of {name[1:]} bits, {'signed' if name[0] == 'i' else 'not negative'}."
        for name in NUMBERS
    },
    "u64": "A field or key of 64 bits, not negative. Its language has `==`, `!=` and assignment only.",
    "f64": "A field: a float of 64 bits, always finite.",
    "time": "A field: microseconds since 1970, UTC, in 64 bits.",
}

# Values, which have no docstrings of their own.
VALUES = {**TYPES, "FROM_THE_START": "As `after` of `Bus.events`: all events there ever were."}

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Declare": (
        "What an application is made of. What stands inside of `query`, `predicate` and `delta` is in "
        "[language.md](language.md).",
        (
            "App", "Page", "Intent", "field", "text", "blob", "array", *NUMBERS, "Ref",
            "exists", "now", "emit", "delete", "reject", "sqrt",
        ),
    ),
    "Run": (
        "A running application, in this process or in another one, and what may be asked of it.",
        (
            "Bus", "connect", "Security", "Durability", "Receipt", "Receipts", "Status", "Rejection", "Code", "Query",
            "Upsert", "Mutate", "Plan",
        ),
    ),
    "Process": (
        "Processors at the edge: async functions that turn messages into intents, in [processors.md](processors.md).",
        ("Topic", "Message", "Messages", "Ask", "Columns", "Processor", "Counts", "Counter"),
    ),
    "Read": (
        "What a running application answers.",
        ("PageChange", "PageEvent", "EventKind", "Position", "FROM_THE_START", "epoch_of", "Logbook",
            "LogEntry", "TouchedPage", "Why", "Stats", "PartitionStats"),
    ),
    "Core": (
        "The deterministic machine by itself, without IO, as [core.md](core.md) uses it. Bytes are described in "
        "[formats.md](formats.md).",
        (
            "Bundle", "build", "build_folding", "Compiled", "Genesis", "Writer", "Entry", "Machine", "Outcome", "Fold",
            "ArrayFold", "Verdict", "Discarded", "PartitionState", "ArrayState", "Migration", "Step", "pack",
            "pack_json", "Metadata", "Record", "Records", "encode_batch", "decode_batch", "decode_batches",
            "read_batches", "Delta", "DeltaKind", "DeltaStatus", "DeltaVerdict", "unpack_delta",
            "validate_delta", "Event", "events_of",
        ),
    ),
    "Errors": (
        "A small tree, by whose fault it is. [errors.md](errors.md) has a command that provokes each, and what to do.",
        (
            "MmsbError", "CallerError", "InvalidDefinition", "InvalidValue", "InvalidDelta", "PageNotFound", "ReadOnly",
            "Conflict", "FolderInUse", "GenerationConflict", "Superseded", "EnvironmentFailed", "OutcomeUnknown",
            "Overloaded", "CorruptState", "MalformedBytes", "NewerFormat",
        ),
    ),
}  # fmt: skip


def reference() -> str:
    """The page. What has no docstring, or is "for MMSB itself", is no part of it."""
    parts = [
        "# Reference",
        "Every public name of `mmsb`. Written by `python -m tests.docs.generate` from docstrings and signatures: edit\n"
        "those.",
    ]
    for group, (text, names) in GROUPS.items():
        parts += [f"## {group}", filled(text)]
        for name in names:
            parts += _name(name)
    return "\n\n".join(parts) + "\n"


def undocumented() -> list[str]:
    """Public names without a docstring of their own."""
    return [name for name in mmsb.__all__ if name not in VALUES and not _own_doc(getattr(mmsb, name))]


def _name(name: str) -> list[str]:
    value = getattr(mmsb, name)
    if name in VALUES:
        return [f"### {name}", filled(VALUES[name])]
    if not inspect.isclass(value):
        return [f"### {name}", f"`{_signature(value, name)}`", *_paragraphs(_own_doc(value))]
    lines = [f"### {name}"]
    if _says_how_to_make_it(value):
        lines.append(f"`{_signature(vars(value)['__init__'], name)}`")
    lines += _paragraphs(_own_doc(value))
    told = [
        base for base in value.__mro__[:0:-1] if base.__name__.startswith("_") and base.__module__ == value.__module__
    ]
    parts = [*told, value]  # what a private base of the same module says is said by no other entry
    rows = [row for take in (_fields, _members) for part in parts for row in take(part)]
    return [*lines, "\n".join(rows)] if rows else lines


def _own_doc(value: Any) -> str:
    """Not one that is inherited, nor the signature that a dataclass gets for want of one."""
    doc = inspect.cleandoc((vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or "")
    return "" if inspect.isclass(value) and doc.startswith(f"{value.__name__}(") else doc


def _says_how_to_make_it(value: type[Any]) -> bool:
    """Whether it has an `__init__` that somebody wrote; a dataclass's is that of its fields."""
    own = vars(value).get("__init__")
    return (
        inspect.isfunction(own)
        and value is not mmsb.Bus
        and not hasattr(value, "__dataclass_fields__")
        and not issubclass(value, Exception)
    )


def _signature(function: Any, name: str) -> str:
    """As it is written, without `self`."""
    node = _node(function)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), name
    node.args.args = [each for each in node.args.args if each.arg not in ("self", "cls")]
    node.args.posonlyargs = [each for each in node.args.posonlyargs if each.arg not in ("self", "cls")]
    known = Constants(function.__globals__)
    node.args.defaults = [known.visit(each) for each in node.args.defaults]
    node.args.kw_defaults = [each and known.visit(each) for each in node.args.kw_defaults]
    given = ast.unparse(node.args).replace("=", " = ")
    gives = f" -> {ast.unparse(node.returns)}" if node.returns is not None and node.name != "__init__" else ""
    waits = isinstance(node, ast.AsyncFunctionDef) and "Async" not in gives
    return f"{'async ' if waits else ''}{name}({given}){gives}".replace("'", '"')


class Constants(ast.NodeTransformer):
    """Defaults that have a name, as numbers; what stands for "none was given" as an ellipsis."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._names.get(node.id)
        if node.id == "MISSING":
            return ast.Constant(...)
        return ast.Constant(value) if isinstance(value, int | str) else node


def _node(value: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def _fields(value: type[Any]) -> Iterator[str]:
    """The fields of a dataclass, with the comment behind each or the string below it; the members of an enum."""
    if issubclass(value, enum.Enum):
        names = (f"`{member.name}` {member.value}" for member in value)
        yield _item(", ".join(names))
        return
    if not hasattr(value, "__dataclass_fields__"):
        return
    source = textwrap.dedent(inspect.getsource(value)).splitlines()
    node = _node(value)
    assert isinstance(node, ast.ClassDef), value
    for statement, below in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and not ast.unparse(statement.target).startswith("_"):
            _, comment, said = source[statement.lineno - 1].partition("# ")
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                comment, said = "below", inspect.cleandoc(str(below.value.value))
            shown = f"`{ast.unparse(statement.target)}: {ast.unparse(statement.annotation)}`".replace("'", "")
            yield _item(f"{shown}: {said}" if comment else shown)


def _members(value: type[Any]) -> Iterator[str]:
    for name, member in vars(value).items():
        function: Any = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if isinstance(member, cached_property):
            function = member.func
        doc = inspect.cleandoc(getattr(function, "__doc__", None) or "") if inspect.isfunction(function) else ""
        if name.startswith("_") or not doc or "for MMSB itself" in doc:
            continue
        shown = name if isinstance(member, property | cached_property) else _signature(function, name)
        yield _item(f"`{shown}`: {' '.join(doc.split())}")


def _paragraphs(doc: str) -> list[str]:
    """An example of a docstring becomes code in a line of its own."""
    found = []
    for paragraph in doc.split("\n\n"):
        lines = paragraph.splitlines()
        if lines[0].startswith(">>> "):
            found += [f"`{line.removeprefix('>>> ')}`" for line in lines]
        else:
            found.append(filled(paragraph))
    return found


def filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False, break_long_words=False)


def _item(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )
