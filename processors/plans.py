"""A plan: what one intent asks for, in four parts, without running it."""

from dataclasses import dataclass
from typing import Any

from mmsb.processors.language.runs import Run
from mmsb.processors.programs import Program, values_of
from mmsb.schemas.classes import Intent, Ref
from mmsb.schemas.metadata import Metadata


@dataclass(frozen=True)
class Plan:
    """Which pages (query), may it (predicate), what changes (delta), and who asks (metadata)."""

    query: tuple[Ref[Any], ...]
    predicate: str
    delta: str
    metadata: Metadata
    code: dict[str, Any]

    def __repr__(self) -> str:
        pages = ", ".join(map(repr, self.query))
        parts = {"query": pages, "predicate": self.predicate, "delta": self.delta, "metadata": self.metadata}
        return "\n".join(f"{name + ':':<11}{_indented(str(part))}" for name, part in parts.items())


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 11)


def plan(
    intent: Intent, program: Program, pages: dict[int, type[Any]], sources: dict[str, str], metadata: Metadata
) -> Plan:
    """The plan of one intent; raises Refused where its keys cannot be computed."""
    values = values_of(program.layout, program.layout.pack([getattr(intent, name) for name in program.layout.index_of]))
    run = Run(program.layout, program.layout.type_id, values, (), 0, {}, lambda name, given: None)
    named = tuple(Ref(pages[layout.type_id], layout.unpack_key(key)) for layout, key in program.keys(run))
    return Plan(named, sources["predicate"], sources["delta"], metadata, program.code.to_json())
