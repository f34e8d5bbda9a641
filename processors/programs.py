"""What runs for one intent: its keys, predicate and delta as closures made from the IR."""

from dataclasses import dataclass, field
from typing import Any

from mmsb.processors.language.debugging import STOPS, stops_of
from mmsb.processors.language.intents import Code
from mmsb.processors.language.interpret import getter, program
from mmsb.processors.language.runs import Get, Run, Step, check_stored
from mmsb.schemas.layouts import IntentLayout, PageLayout, widen
from mmsb.schemas.places import Place


@dataclass(frozen=True)
class Reference:
    """One page of a query: its layout and what computes its key."""

    layout: PageLayout
    components: tuple[Get, ...]

    def key(self, run: Run, ordinal: int) -> bytes:
        values = [get(run) for get in self.components]
        parts: list[bytes] = []
        for kind, value in zip(self.layout.key, values, strict=True):
            check_stored(value, kind, self.layout.type_id, 0, ordinal)
            parts.append(widen(kind, kind.pack(value)))
        return b"".join(parts)


@dataclass(frozen=True)
class Program:
    """One intent, ready to run."""

    layout: IntentLayout
    code: Code
    query: tuple[Reference, ...]
    prepare: Step
    predicate: Get | None
    delta: Step
    place: Place | None = field(default=None, compare=False)  # of the class, for people

    def keys(self, run: Run) -> list[tuple[PageLayout, bytes]]:
        """The pages that the intent names, in order."""
        return [(reference.layout, reference.key(run, ordinal)) for ordinal, reference in enumerate(self.query)]


def load(layout: IntentLayout, code: Code, place: Place | None = None, *, debug: bool = False) -> Program:
    """Make an intent's IR runnable; with `debug` so that breakpoints in its source are met."""
    if debug:
        before = STOPS.set(stops_of(code.origins))
        try:
            return load(layout, code, place)
        finally:
            STOPS.reset(before)
    references = tuple(Reference(page, tuple(getter(key) for key in keys)) for page, keys in code.query)
    nodes, result = code.predicate or ([], None)
    predicate = getter(result) if result else None
    return Program(layout, code, references, program(nodes), predicate, program(code.delta), place)


def values_of(layout: IntentLayout | PageLayout, body: bytes) -> list[Any]:
    """A body's values, arrays as lists so that they can be written."""
    return [list(value) if isinstance(value, tuple) else value for value in layout.unpack(body)]
