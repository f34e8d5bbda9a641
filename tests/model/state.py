"""The state of machine and fold, and its digest from scratch: formats.md, sections 9 and 13."""

from dataclasses import dataclass, field

from tests.model import digest

PageKey = tuple[int, bytes]  # type id, key


@dataclass
class State:
    pages: dict[PageKey, tuple[int, bytes]] = field(default_factory=dict)  # epoch, body
    ids: dict[bytes, int] = field(default_factory=dict)  # first offset, rising
    marks: dict[tuple[int, bytes], int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    clock: int = 0

    def copy(self) -> "State":
        return State(dict(self.pages), dict(self.ids), dict(self.marks), dict(self.sent), self.clock)

    def digest(self) -> tuple[int, int]:
        return digest.add(
            *(digest.page_term(type_id, key, *page) for (type_id, key), page in self.pages.items()),
            *(digest.id_term(id16, first) for id16, first in self.ids.items()),
            *(digest.mark_term(kind, source, mark) for (kind, source), mark in self.marks.items()),
            *(digest.sent_term(target, count) for target, count in self.sent.items()),
            digest.clock_term(self.clock),
        )

    def forget(self, offset: int, window: int) -> None:
        """After `offset` has settled."""
        while self.ids:
            id16, first = next(iter(self.ids.items()))
            if first > offset - window:
                return
            del self.ids[id16]
