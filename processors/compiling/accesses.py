"""How generated code reaches a page's fields: as local variables, or in scratch through an alias map.

Where all pages of an intent are distinct, each number that it uses is a local variable. Where one page is named twice,
both names must see the same fields, so these are read and written in scratch, in the row of the first name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mmsb.processors.compiling.bodies import (
    Body,
    Value,
    bits_of_number,
    element,
    in_scratch,
    literal,
    number_of,
    words_of,
)
from mmsb.processors.compiling.walking import deletes, page_fields
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.types import Array


@dataclass
class PagePlan:
    """One page of a query: where it stands in the code, and what the intent does to it."""

    number: int
    layout: PageLayout
    key_at: int  # in the record's row of keys
    row: int  # in scratch
    kind: int  # its type's place among the bundle's pages
    read: set[int] = field(default_factory=set[int])
    written: set[int] = field(default_factory=set[int])
    deleted: bool = False

    @property
    def words(self) -> int:
        return self.layout.word_count

    @property
    def key_words(self) -> int:
        return self.layout.key_size // 8

    @property
    def stride(self) -> int:
        return 1 + self.key_words + self.words

    @property
    def hull(self) -> tuple[int, int]:
        """The words from the first to behind the last that may change."""
        return _hull(self.layout, self.written)

    @property
    def loaded(self) -> tuple[int, int]:
        """The words that scratch needs of the page as it is: what may change, and what is no local variable."""
        kept = {index for index in self.read if in_scratch(self.layout.fields[index].type)}
        return _hull(self.layout, self.written | kept)


def _hull(layout: PageLayout, fields: set[int]) -> tuple[int, int]:
    if not fields:
        return 0, 0
    places = [layout.fields[index] for index in fields]
    return min(place.offset for place in places) // 8, max(words_of(place.end) for place in places)


def plan_pages(pages: Sequence[PageLayout], kinds: dict[int, int], predicate: object, delta: object) -> list[PagePlan]:
    """What an intent does to each of its pages, read off its IR."""
    plans: list[PagePlan] = []
    key_at = row = 0
    for number, layout in enumerate(pages):
        plan = PagePlan(number, layout, key_at, row, kinds[layout.type_id])
        plan.read |= page_fields([predicate, delta], ("get", "get_at"), number)
        plan.written |= page_fields(delta, ("set", "set_at"), number)
        # Arrays with bounds are checked whether the intent touches them or not.
        plan.read |= {i for i, f in enumerate(layout.fields) if f.bounds and isinstance(f.type, Array)}
        plan.deleted = deletes(delta, number)
        plans.append(plan)
        key_at += plan.key_words
        row += plan.words + 2
    return plans


class Distinct:
    """Numbers are local variables; texts, blobs and arrays are in scratch."""

    def __init__(self, body: Body, plans: Sequence[PagePlan]) -> None:
        self.body = body
        self.plans = plans

    def row(self, page: int) -> str:
        return str(self.plans[page].row)

    def ordinal(self, page: int) -> str:
        return str(page)

    def exists(self, page: int) -> str:
        return f"(exists{page} and not deleted{page})" if self.plans[page].deleted else f"exists{page}"

    def delete(self, page: int) -> None:
        self.body.source.line(f"deleted{page} = True")

    def is_deleted(self, page: int) -> str:
        return f"deleted{page}"

    def existed(self, page: int) -> str:
        return f"exists{page}"

    def get(self, page: int, index: int) -> Value:
        kind = self.plans[page].layout.fields[index].type
        return load_text(self, page, index) if in_scratch(kind) else Value(f"p{page}_{index}")

    def set(self, page: int, index: int, value: str) -> None:
        self.body.source.line(f"p{page}_{index} = {value}")

    def load(self) -> None:
        """Take the pages as they are, or as defaults where there is none."""
        for plan in self.plans:
            self._load(plan)

    def _load(self, plan: PagePlan) -> None:
        source, page = self.body.source, plan.number
        source.line(f"exists{page} = slot{page} >= 0")
        if plan.deleted:
            source.line(f"deleted{page} = False")
        source.line(f"old{page} = slot{page} * {plan.stride} + {1 + plan.key_words}")
        numbers = [i for i in sorted(plan.read | plan.written) if not in_scratch(plan.layout.fields[i].type)]
        with source.block(f"if exists{page}:"):
            low, high = plan.loaded
            copy_words(self.body, f"scratch, {plan.row + low}", f"arena{plan.kind}, old{page} + {low}", high - low)
            for index in numbers:
                found = plan.layout.fields[index]
                bits = f"get_bits(arena{plan.kind}, old{page}, {found.offset}, {found.type.size})"
                source.line(f"p{page}_{index} = {number_of(bits, found.type)}")
        with source.block("else:"):
            write_default(self.body, plan, str(plan.row))
            for index in numbers:
                found = plan.layout.fields[index]
                source.line(f"p{page}_{index} = {literal(found.default, found.type, self.body.constants)}")

    def store(self, plan: PagePlan) -> None:
        """Put the numbers that may have changed back beside the others."""
        for index in sorted(plan.written):
            found = plan.layout.fields[index]
            if not in_scratch(found.type):
                bits = bits_of_number(f"p{plan.number}_{index}", found.type)
                self.body.source.line(f"set_bits(scratch, {plan.row}, {found.offset}, {found.type.size}, {bits})")

    def current_bits(self, plan: PagePlan, index: int) -> str:
        """The bits of a number of the page after the intent, whether the intent used it or not."""
        found = plan.layout.fields[index]
        if index in plan.written | plan.read:
            return bits_of_number(f"p{plan.number}_{index}", found.type)
        place = f"{found.offset}, {found.type.size}"
        old = f"get_bits(arena{plan.kind}, old{plan.number}, {place})"
        return f"{old} if exists{plan.number} else get_bits(scratch, {plan.row}, {place})"

    def hull(self, plan: PagePlan) -> tuple[int, int]:
        return plan.hull


class Aliased:
    """Everything is in scratch, in the row of a page's first name; behind each row: does it exist, is it deleted."""

    def __init__(self, body: Body, plans: Sequence[PagePlan]) -> None:
        self.body = body
        self.plans = plans

    def row(self, page: int) -> str:
        return f"row{page}"

    def ordinal(self, page: int) -> str:
        return f"first{page}"

    def _flag(self, page: int, which: int) -> str:
        return f"scratch[row{page} + {self.plans[page].words + which}]"

    def exists(self, page: int) -> str:
        return f"({self._flag(page, 0)} != NONE and {self._flag(page, 1)} == NONE)"

    def delete(self, page: int) -> None:
        self.body.source.line(f"{self._flag(page, 1)} = ONE")

    def is_deleted(self, page: int) -> str:
        return f"{self._flag(page, 1)} != NONE"

    def existed(self, page: int) -> str:
        return f"{self._flag(page, 0)} != NONE"

    def get(self, page: int, index: int) -> Value:
        found = self.plans[page].layout.fields[index]
        if in_scratch(found.type):
            return load_text(self, page, index)
        bits = f"get_bits(scratch, row{page}, {found.offset}, {found.type.size})"
        return Value(self.body.source.assign(number_of(bits, found.type)))

    def set(self, page: int, index: int, value: str) -> None:
        found = self.plans[page].layout.fields[index]
        bits = bits_of_number(value, found.type)
        self.body.source.line(f"set_bits(scratch, row{page}, {found.offset}, {found.type.size}, {bits})")

    def load(self) -> None:
        """Each page once: a name finds the first one of the same page, and shares its row."""
        source = self.body.source
        for plan in self.plans:
            page = plan.number
            source.line(f"first{page} = {page}")
            for other in self.plans[:page]:
                if other.kind == plan.kind:
                    with source.block(f"if first{page} == {page} and {same_page(other, plan)}:"):
                        source.line(f"first{page} = {other.number}")
            source.line(f"row{page} = {plan.row}")
            for other in self.plans[:page]:
                if other.kind == plan.kind:
                    with source.block(f"if first{page} == {other.number}:"):
                        source.line(f"row{page} = {other.row}")
            with source.block(f"if first{page} == {page}:"):
                self._load(plan)

    def _load(self, plan: PagePlan) -> None:
        source, page = self.body.source, plan.number
        source.line(f"{self._flag(page, 1)} = NONE")
        with source.block(f"if slot{page} >= 0:"):
            source.line(f"{self._flag(page, 0)} = ONE")
            begin = f"slot{page} * {plan.stride} + {1 + plan.key_words}"
            copy_words(self.body, f"scratch, {plan.row}", f"arena{plan.kind}, {begin}", plan.words)
        with source.block("else:"):
            source.line(f"{self._flag(page, 0)} = NONE")
            write_default(self.body, plan, str(plan.row))
        source.line(f"old{page} = slot{page} * {plan.stride} + {1 + plan.key_words}")

    def store(self, plan: PagePlan) -> None:
        """Everything is where it belongs already."""

    def current_bits(self, plan: PagePlan, index: int) -> str:
        found = plan.layout.fields[index]
        return f"get_bits(scratch, {plan.row}, {found.offset}, {found.type.size})"

    def hull(self, plan: PagePlan) -> tuple[int, int]:
        return 0, plan.words


Access = Distinct | Aliased


def same_page(one: PagePlan, other: PagePlan) -> str:
    """Whether two names are of one page: of the same slot, or of the same key that has none."""
    keys = " and ".join(
        f"keys[key + {one.key_at + word}] == keys[key + {other.key_at + word}]" for word in range(one.key_words)
    )
    a, b = f"slot{one.number}", f"slot{other.number}"
    return f"({a} == {b} and ({a} >= 0 or ({keys})))"


def load_text(access: Access, page: int, index: int) -> Value:
    """A text or blob of a page, copied to whole words."""
    body, found = access.body, access.plans[page].layout.fields[index]
    words = words_of(found.type.size)
    place = body.take(words)
    body.source.line(f"get_text(scratch, {access.row(page)}, {found.offset}, {found.type.size}, scratch, {place})")
    return Value(str(place), words)


def element_place(access: Access, page: int, index: int, at: str) -> str:
    """What get_bits and set_bits take to find an element of a page's array."""
    found = access.plans[page].layout.fields[index]
    assert isinstance(found.type, Array)
    size = element(found.type).size
    return f"scratch, {access.row(page)}, {found.offset} + {size} * {at}, {size}"


def copy_words(body: Body, target: str, begin: str, count: int) -> None:
    """Copy words; a few of them one by one."""
    if count <= 0:
        return
    array, to = target.split(", ")
    source, at = begin.split(", ")
    if count <= 4:
        for word in range(count):
            body.source.line(f"{array}[{to} + {word}] = {source}[{at} + {word}]")
        return
    with body.source.block(f"for word in range({count}):"):
        body.source.line(f"{array}[{to} + word] = {source}[{at} + word]")


def write_default(body: Body, plan: PagePlan, row: str) -> None:
    """The body of a page that does not exist."""
    default = plan.layout.default_body
    words = [int.from_bytes(default[at : at + 8], "little") for at in range(0, len(default), 8)]
    with body.source.block(f"for word in range({plan.words}):"):
        body.source.line(f"scratch[{row} + word] = NONE")
    for at, word in enumerate(words):
        if word:
            body.source.line(f"scratch[{row} + {at}] = {body.constants.word(word)}")
