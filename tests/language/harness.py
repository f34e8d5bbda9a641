"""Declares a one-page application from the text of its functions, in a real file, and lowers one intent of it."""

import importlib.util
import itertools
import sys
import tempfile
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import mmsb
from mmsb.processors.bundle import Bundle
from mmsb.processors.lowering import Surroundings, lower
from mmsb.schemas.rejections import Refused
from mmsb.schemas.sentences import sentence

PRELUDE = """\
import enum

import mmsb
from mmsb import f64, i8, i16, i32, i64, time, u8, u16, u32, u64

app = mmsb.App("test", hops_max=3)


class Color(enum.IntEnum):
    RED = 1
    BLUE = 2


class Mood(enum.IntEnum):
    GOOD = 1


@app.page(key=i64)
class P(mmsb.Page):
    i: i64
    j: i64
    u: u64
    v: u64
    f: f64
    g: f64
    b: bool
    c: Color
    m: Mood
    t: str = mmsb.text(4)
    s: str = mmsb.text(16)
    x: bytes = mmsb.blob(4)
    y: bytes = mmsb.blob(2)
    n8: i8
    n16: i16
    n32: i32
    m8: u8
    m16: u16
    m32: u32
    w: time
    a: list[i64] = mmsb.array(3)
    h: list[f64] = mmsb.array(2)
    k: list[u8] = mmsb.array(2)
"""

ARGUMENTS = """\
    i: i64 = 0
    j: i64 = 0
    u: u64 = 0
    f: f64 = 0.0
    g: f64 = 0.0
    b: bool = False
    c: Color = Color.RED
    s: str = mmsb.text(16, default="")
    x: bytes = mmsb.blob(4, default=b"....")
    n8: i8 = 0
    w: time = 0
    a: list[i64] = mmsb.array(3, default=[0, 0, 0])
    h: list[f64] = mmsb.array(2, default=[0, 0])
"""

_numbers = itertools.count()
_folder = Path(tempfile.mkdtemp(prefix="mmsb-language-"))


def load(source: str, name: str | None = None) -> Any:
    """Import this source from a file of its own."""
    name = name or f"declared_{next(_numbers)}"
    path = _folder / f"{name}.py"
    path.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _function(name: str, parameters: str, body: str) -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 8)
    return f"    def {name}({parameters}):\n{lines}\n\n"


def source_of(
    delta: str = "pass",
    *,
    query: str = "return P[1]",
    predicate: str | None = None,
    top: str = "",
    pages: str = "p",
    bottom: str = "",
) -> str:
    """A module with the page P and the intent Go, whose functions are given."""
    inner = f"self, {pages}" if pages else "self"
    functions = _function("query", "self", query)
    if predicate is not None:
        functions += _function("predicate", inner, predicate)
    functions += _function("delta", inner, delta)
    above, below = textwrap.dedent(top), textwrap.dedent(bottom)
    return f"{PRELUDE}\n\n{above}\n\n@app.intent\nclass Go(mmsb.Intent):\n{ARGUMENTS}\n{functions}\n{below}\n"


@dataclass
class Outcome:
    """What an intent did: pages as they are now (None: deleted), follow-ups, or why not."""

    pages: dict[str, Any] = field(default_factory=dict[str, Any])
    emitted: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    rejection: Any = None  # a Rejection, where there is one
    words: str = ""  # of that, for people

    @property
    def code(self) -> str:
        return self.rejection.code.name.lower() if self.rejection else "applied"

    def __getitem__(self, name: str) -> Any:
        """A field of P[1] afterwards."""
        assert self.rejection is None, self.rejection
        found = self.pages["P[1]"]
        assert found is not None
        return found[name]


def app_of(module: Any) -> mmsb.App:
    app = module.app
    assert isinstance(app, mmsb.App)
    return app


def perform(
    module: Any,
    intent: mmsb.Intent,
    before: dict[Any, dict[str, Any]] | None = None,
    *,
    now: int = 0,
    hops: int = 0,
) -> Outcome:
    """Lower one intent on pages `before`, by their keys."""
    bundle = app_of(module).bundle()
    layout = bundle.pages_by_name["P"]
    stored = {
        layout.pack_key(key): layout.pack([values.get(f.name, f.default) for f in layout.fields])
        for key, values in (before or {}).items()
    }

    def read(type_id: int, key: bytes) -> tuple[int, bytes] | None:
        return (7, stored[key]) if type_id == layout.type_id and key in stored else None

    program = bundle.program_named(type(intent).__name__)
    around = Surroundings(bundle, 0, 1, now, hops, read)
    try:
        lowered = lower(program, intent.packed_arguments(), around)
    except Refused as refused:
        layouts = {each.type_id: each for each in (*bundle.descriptor.pages, *bundle.descriptor.intents)}
        words = sentence(refused.rejection, layouts, bundle.descriptor.messages)
        return Outcome(rejection=refused.rejection, words=words)
    pages = {_shown(bundle, change.layout.type_id, change.key): _fields(change) for change in lowered.changes}
    emitted = [
        (one.layout.name, dict(zip(one.layout.index_of, one.layout.unpack(one.arguments), strict=True)))
        for one in lowered.emitted
    ]
    return Outcome(pages, emitted)


def _shown(bundle: Bundle, type_id: int, key: bytes) -> str:
    layout = bundle.pages_by_type[type_id]
    return f"{layout.name}[{layout.unpack_key(key)!r}]"


def _fields(change: Any) -> dict[str, Any] | None:
    if change.after is None:
        return None
    return dict(zip(change.layout.index_of, change.layout.unpack(change.after), strict=True))


def go(
    delta: str = "pass",
    *,
    before: dict[Any, dict[str, Any]] | None = None,
    now: int = 0,
    hops: int = 0,
    query: str = "return P[1]",
    predicate: str | None = None,
    top: str = "",
    pages: str = "p",
    bottom: str = "",
    **arguments: Any,
) -> Outcome:
    """Declare Go with this delta and lower Go(**arguments)."""
    module = load(source_of(delta, query=query, predicate=predicate, top=top, pages=pages, bottom=bottom))
    return perform(module, module.Go(**arguments), before, now=now, hops=hops)


def ir(delta: str = "pass", **parts: Any) -> dict[str, Any]:
    """The IR of Go."""
    module = load(source_of(delta, **parts))
    return app_of(module).bundle().program_named("Go").code.to_json()


def refused(*words: str, source: str | None = None, at: str = "Go.delta", declared: bool = False, **parts: Any) -> str:
    """Refused where it is defined: file, the line marked `# here`, class and function, and these words.

    With `declared` the refusal comes when the bundle is made.
    """
    text = source if source is not None else source_of(**parts)
    line = next(number for number, found in enumerate(text.splitlines(), 1) if "# here" in found)
    with pytest.raises(mmsb.InvalidDefinition) as caught:
        app_of(load(text)).bundle() if declared else load(text)
    message = str(caught.value)
    where, _, rest = message.partition(": ")
    file, _, number = where.rpartition(":")
    assert Path(file).parent == _folder, message
    assert number == str(line), f"{message}\n(expected line {line})"
    assert rest.startswith(f"{at}: "), message
    for word in words:
        assert word in rest, message
    return message
