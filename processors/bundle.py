"""A bundle: the exact code and layouts that lower intents, and the hash that says which.

The hash covers what changes meaning (IR, layouts with bounds and defaults, `partition_by`, `on_rejected`, `hops_max`,
the version of these semantics) and nothing else: not names of locals, comments, documentation or unrelated code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from blake3 import blake3

from mmsb.processors.programs import Program
from mmsb.schemas.canonical import canonical
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.origins import Origins

SEMANTICS: Final = 1
"""The version of what IR and layouts mean. A change of meaning without a change of code must raise it."""


@dataclass(frozen=True, repr=False)
class Bundle:
    """All that a machine needs to lower intents. Two bundles can live in one process."""

    descriptor: Descriptor
    generation: int
    programs: tuple[Program, ...]
    origins: Mapping[str, Origins] = field(default_factory=dict[str, Origins], compare=False)
    """What page classes say of earlier layouts, by name; code that has no such data to open is the same without it."""

    def __repr__(self) -> str:
        return f"Bundle({self.app!r}, generation={self.generation}, hash={self.hash.hex()})"

    @property
    def app(self) -> str:
        return self.descriptor.app

    @property
    def hops_max(self) -> int:
        return self.descriptor.hops_max

    @cached_property
    def message_numbers(self) -> dict[str, int]:
        return {text: number for number, text in enumerate(self.descriptor.messages)}

    @cached_property
    def _by_name(self) -> dict[str, Program]:
        return {program.layout.name: program for program in self.programs}

    @cached_property
    def _by_type(self) -> dict[int, Program]:
        return {program.layout.type_id: program for program in self.programs}

    @cached_property
    def pages_by_name(self) -> dict[str, PageLayout]:
        return {page.name: page for page in self.descriptor.pages}

    @cached_property
    def pages_by_type(self) -> dict[int, PageLayout]:
        return {page.type_id: page for page in self.descriptor.pages}

    def program_named(self, name: str) -> Program:
        return self._by_name[name]

    def find_program(self, type_id: int | None, name: str | None) -> Program | None:
        return self._by_name.get(name) if name is not None else self._by_type.get(type_id or 0)

    @cached_property
    def hash(self) -> bytes:
        code = {program.layout.name: program.code.to_json() for program in self.programs}
        content: dict[str, Any] = {
            "code": code,
            "descriptor": self.descriptor.to_json(),
            "semantics": SEMANTICS,
        }
        return blake3(canonical(content)).digest()


def messages_of(nodes: Any) -> set[str]:
    """Every text that this IR may refuse with."""
    if not isinstance(nodes, tuple | list):
        return set()
    parts = list(cast("Sequence[Any]", nodes))
    found: set[str] = set()
    if len(parts) >= 2 and parts[0] == "refuse" and isinstance(parts[1], str):
        found.add(parts[1])
    for part in parts:
        found |= messages_of(part)
    return found


def make_bundle(
    app: str,
    generation: int,
    hops_max: int,
    pages: Iterable[PageLayout],
    programs: Iterable[Program],
    origins: Mapping[str, Origins] | None = None,
) -> Bundle:
    """Put the parts of an application into their canonical order."""
    ordered = tuple(sorted(programs, key=lambda program: program.layout.name))
    texts: set[str] = set()
    for program in ordered:
        texts |= messages_of([program.code.predicate, program.code.delta])
    sorted_pages = tuple(sorted(pages, key=lambda page: page.name))
    layouts = tuple(program.layout for program in ordered)
    descriptor = Descriptor(app, hops_max, sorted_pages, layouts, tuple(sorted(texts)))
    return Bundle(descriptor, generation, ordered, origins or {})
