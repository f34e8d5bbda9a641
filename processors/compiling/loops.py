"""The two loops over a batch: one finds each intent's pages, the other lowers the intents in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmsb.kernels.intake.rejections import U64, head
from mmsb.processors.compiling.accesses import PagePlan
from mmsb.processors.compiling.source import Constants, Source
from mmsb.processors.compiling.templates import CHECK, LOWER, PARTITION, QUERY
from mmsb.processors.programs import Program
from mmsb.schemas.rejections import Code


@dataclass(frozen=True)
class Lowering:
    """An intent that has functions, and what it does to its pages."""

    program: Program
    plans: Sequence[PagePlan]

    @property
    def name(self) -> str:
        return self.program.layout.name

    @property
    def key_words(self) -> int:
        return sum(plan.key_words for plan in self.plans)

    @property
    def arrays(self) -> str:
        """The arrays of the page types that it names, as arguments."""
        return "".join(f", index{kind}, arena{kind}" for kind in sorted({plan.kind for plan in self.plans}))


class Loops:
    """Writes both loops over the intents that are compiled."""

    def __init__(
        self, constants: Constants, intents: Sequence[int], page_kinds: int, compiled: Sequence[Lowering]
    ) -> None:
        self.constants = constants
        self.intents = intents
        self.compiled = compiled
        self.key_words = max((one.key_words for one in compiled), default=1)
        self.page_count = max((len(one.plans) for one in compiled), default=1)
        self._arrays = "".join(f", index{kind}, arena{kind}" for kind in range(page_kinds))

    def texts(self) -> list[str]:
        found: list[str] = []
        for write in (self._find_loop, self._lower_loop):
            source = Source()
            write(source)
            found.append("\n".join(["", "", "@branching", *source.lines]))
        return found

    def _number(self, one: Lowering) -> int:
        """Where an intent's type stands among those that envelopes number."""
        return self.intents.index(one.program.layout.type_id)

    def _find_loop(self, source: Source) -> None:
        arguments = (
            "start, stop, buffer, columns, envelopes, keys, hashes, slots, scratch, text8, partitions, partition"
        )
        with source.block(f"def find_pages({arguments}, rejections{self._arrays}):"):
            source.line('"""Rules 6 and 7, the keys of pages, and where these probably are."""')
            with source.block("for i in range(start, stop):"):
                self._find_pages(source)
            with source.block("for i in range(start, stop):"):
                self._skip_decided(source)
                source.line("number = envelopes[TYPE, i]")
                source.line(f"slot_at = {self.page_count} * (i - start)")
                self._dispatch(source, self._guess_one)

    def _skip_decided(self, source: Source) -> None:
        with source.block("if envelopes[VERDICT, i] != GO_ON:"):
            source.line("continue")

    def _find_pages(self, source: Source) -> None:
        self._skip_decided(source)
        source.extend(
            (
                "number = envelopes[TYPE, i]",
                "at = envelopes[ARGUMENTS_AT, i]",
                "size = envelopes[ARGUMENTS_SIZE, i]",
                "reject_at = 4 * i",
                f"key = {self.key_words} * (i - start)",
                f"slot_at = {self.page_count} * (i - start)",
                "verdict = GO_ON",
            )
        )
        self._dispatch(source, self._find_one)
        with source.block("elif number >= 0:"):
            source.line("verdict = SLOW")
        with source.block("else:"):
            unknown = self.constants.word(head(Code.UNKNOWN_TYPE, kind=U64))
            source.line("strange = load_u64(buffer, columns[VALUE_AT, i] + 8)")
            source.line(f"put_rejection(rejections, reject_at, {unknown}, NONE, strange, NONE)")
            source.line("verdict = REFUSED")
        source.line("envelopes[VERDICT, i] = verdict")

    def _dispatch(self, source: Source, write: Callable[[Source, Lowering], None]) -> None:
        """Branch by the intent's type."""
        word = "if"
        for one in self.compiled:
            with source.block(f"{word} number == {self._number(one)}:"):
                write(source, one)
            word = "elif"
        if not self.compiled:
            with source.block("if number < -1:"):
                pass

    def _find_one(self, source: Source, one: Lowering) -> None:
        query = QUERY.replace("cause", self.constants.word(one.program.layout.type_id))
        source.line(f"verdict = check_{one.name}({CHECK})")
        with source.block("if verdict == GO_ON:"):
            source.line(f"verdict = query_{one.name}({query})")
        with source.block("if verdict == GO_ON and partitions > 1:"):
            source.line(f"verdict = partition_{one.name}({PARTITION})")
        with source.block("if verdict == GO_ON:"):
            for plan in one.plans:
                place = f"hashes[slot_at + {plan.number}]"
                source.line(f"{place} = hash_key(keys, key + {plan.key_at}, {plan.key_words}, index{plan.kind}[SALT])")
                source.line(f"prefetch_entry(index{plan.kind}, {place})")

    def _guess_one(self, source: Source, one: Lowering) -> None:
        for plan in one.plans:
            place = f"slots[slot_at + {plan.number}]"
            source.line(f"{place} = candidate(index{plan.kind}, hashes[slot_at + {plan.number}])")
            with source.block(f"if {place} >= 0:"):
                source.line(f"prefetch_page(arena{plan.kind}, {plan.stride}, {place})")

    def _lower_loop(self, source: Source) -> None:
        arguments = (
            "start, stop, first, buffer, envelopes, run, keys, slots, scratch, rejections, block, block8, counts, "
            "digest, text8, aside, sent, log, partitions, partition"
        )
        with source.block(f"def lower({arguments}{self._arrays}):"):
            source.line('"""Rules 8 and 9 in order; stops before what it leaves to others, and says which and why."""')
            with source.block("for i in range(start, stop):"):
                self._lower_record(source)
            source.line("return stop, GO_ON")

    def _lower_record(self, source: Source) -> None:
        source.extend(
            (
                "verdict = envelopes[VERDICT, i]",
                "number = envelopes[TYPE, i]",
                "at = envelopes[ARGUMENTS_AT, i]",
                "now = run[NOW, i]",
                "offset = first + i",
                "epoch = np.uint64(offset + 1)",
                "reject_at = 4 * i",
                f"key = {self.key_words} * (i - start)",
                f"slot_at = {self.page_count} * (i - start)",
                "extra = extra_words(envelopes, run, counts, i)",
            )
        )
        with source.block("if verdict == GO_ON:"):
            self._dispatch(source, lambda lines, one: lines.line(f"verdict = lower_{one.name}({LOWER}{one.arrays})"))
        self._leave_compensations(source)
        with source.block("if verdict == SLOW or verdict == CUT or verdict == GROW:"):
            source.line("return i, verdict")
        source.line("known = NUMBERS[number] if number >= 0 else number")
        with source.block("if verdict != APPLIED:"):
            source.line("more = extra + words_of_verdict(verdict)")
            with source.block("if not fits(counts, more, is_new(counts, known)):"):
                source.line("return i, CUT")
        source.line("add_outcome(buffer, envelopes, run, rejections, i, verdict, known, block, block8, counts)")

    def _leave_compensations(self, source: Source) -> None:
        """A rejected follow-up that another intent makes up for is the interpreter's."""
        numbers = [self._number(one) for one in self.compiled if one.program.layout.on_rejected is not None]
        if numbers:
            which = " or ".join(f"number == {number}" for number in numbers)
            with source.block(f"if verdict == REFUSED and envelopes[SOURCE_KIND, i] == 1 and ({which}):"):
                source.line("verdict = SLOW")
