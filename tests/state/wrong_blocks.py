"""Random blocks that are wrong in a place or two, from right ones."""

from dataclasses import replace

from mmsb.schemas.deltas import DeltaKind, change
from mmsb.schemas.rejections import Code, Rejection
from mmsb.schemas.tlog.blocks import HEADER_BYTES, Block, DeltaRow, FollowUpRow, OutcomeRow
from tests.state.blocks import PAY, RightBlocks, other_body


class WrongBlocks(RightBlocks):
    """What must not come next."""

    def wrong(self, block: Block) -> Block:
        """Changed in what it says."""
        rng = self.rng
        rows, deltas, sent = list(block.outcomes), list(block.deltas), list(block.follow_ups)
        kind = rng.choice(
            ["clock", "outcome"] + ["delta"] * 6 * bool(deltas) + ["order"] * bool(deltas) + ["sent"] * 3 * bool(sent)
        )
        if kind == "clock":
            return self.wrong_clock(block)
        if kind == "delta":
            at = rng.randrange(len(deltas))
            deltas[at] = self.wrong_delta(deltas[at], deltas)
        elif kind == "sent":
            at = rng.randrange(len(sent))
            sent[at] = self.wrong_follow_up(sent[at], rng.choice(rows))
        elif kind == "order":
            at, to = rng.randrange(len(deltas)), rng.randrange(len(deltas) + 1)
            deltas.insert(to, deltas[at] if rng.random() < 0.5 else deltas.pop(at))
            deltas.sort(key=lambda row: row.index)
        else:
            at = rng.randrange(len(rows))
            rows[at] = self.wrong_outcome(rows[at])
        return replace(block, outcomes=rows, deltas=deltas, follow_ups=sent)

    def wrong_clock(self, block: Block) -> Block:
        rng, header = self.rng, block.header
        clock = rng.choice([0, -1, 1, header.clock, header.clock + 1, self.state.clock])
        rises = sorted([*block.rises, (rng.randrange(len(block.outcomes)), clock)])
        return replace(block, rises=rises, header=replace(header, clock=rng.choice([clock, header.clock])))

    def wrong_outcome(self, row: OutcomeRow) -> OutcomeRow:
        rng = self.rng
        if row.rejection is not None:
            return replace(row, rejection=Rejection(Code.REFUSED, ordinal=rng.choice([1, 2, 65535])))
        if row.first_offset is not None:
            return replace(
                row, first_offset=rng.choice([-1, -2, row.first_offset + 1, self.first, self.first + 1, 2**62])
            )
        return replace(row, type_id=rng.choice([0, self.pages[0].type_id, PAY.type_id]))

    def wrong_follow_up(self, row: FollowUpRow, cause: OutcomeRow) -> FollowUpRow:
        rng, kind = self.rng, self.rng.randrange(5)
        if kind == 0:
            return replace(row, target=rng.choice([0, 1, 2, 3, 2**31, 2**32 - 1]))
        if kind == 1:
            number = rng.choice([0, row.number + 1, 2**63 + 1])
            return replace(row, number=number)
        if kind == 2:
            return replace(row, intent=self.emitted(row.index, cause, row.number))
        intent = bytearray(row.intent)
        if kind == 3:
            intent[rng.randrange(len(intent))] ^= 1 << rng.randrange(8)
            return replace(row, intent=bytes(intent))
        return replace(row, intent=bytes(intent[: 8 * rng.randrange(len(intent) // 8)]))

    def wrong_delta(self, row: DeltaRow, rows: list[DeltaRow]) -> DeltaRow:
        rng, kind, other = self.rng, self.rng.randrange(10), self.rng.choice(rows)
        if kind == 0:
            return replace(row, base=rng.choice([0, 1, -1, row.base + 1, self.first + row.index + 1]))
        if kind == 1:
            return replace(row, kind=rng.choice([0, 1, 2, 3, 4, 255]))
        if kind == 2:
            return replace(
                row, key=rng.choice([other.key, row.key[8:], row.key + bytes(8), rng.randbytes(len(row.key))])
            )
        if kind == 3:
            return replace(row, type_id=rng.choice([other.type_id, PAY.type_id, 5]))
        if kind == 4 or not row.payload:
            return replace(row, payload=rng.choice([other.payload, row.payload[8:], row.payload + bytes(8), b""]))
        if kind in (5, 6, 7):
            return self.other_form(row)
        payload = bytearray(row.payload)
        at = rng.randrange(len(payload)) if kind == 8 else rng.randrange(min(len(payload), 16))
        payload[at] = rng.choice([0, 1, 2, 3, 127, 128, 255, payload[at] ^ 1])
        return replace(row, payload=bytes(payload))

    def other_form(self, row: DeltaRow) -> DeltaRow:
        """Right content where it may not be, or in a form that no encoder takes."""
        rng = self.rng
        layouts = {layout.type_id: layout for layout in self.pages}
        if row.type_id not in layouts or row.kind == DeltaKind.DELETE:
            return row
        layout = layouts[row.type_id]
        before = (self.state.read_page(row.type_id, row.key) or (0, bytes(layout.size)))[1]
        after = bytearray(other_body(rng, layout, before, row.base))
        if rng.random() < 0.7:
            after[rng.randrange(len(after))] = rng.choice([1, 2, 255, 240])
        kind, payload = rng.choice([change(before, bytes(after))] * 9 + forms(before, bytes(after)))
        return replace(row, kind=kind, payload=payload)

    def damaged(self, value: bytes) -> bytes:
        """Changed as bytes, but for what decides whether the record is looked at."""
        rng, out = self.rng, bytearray(value)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.choice(
                [rng.randrange(64, len(out)), rng.randrange(64, HEADER_BYTES), rng.randrange(HEADER_BYTES, len(out))]
            )
            out[at] = rng.choice([0, 1, 255, out[at] ^ (1 << rng.randrange(8))])
        return bytes(rng.choice([out, out, out, out[:-8], out + bytes(8), out[:-3]]))


def forms(before: bytes, after: bytes) -> list[tuple[DeltaKind, bytes]]:
    """All three kinds, of whatever size; a mask that says a word too much; and the mask of everything."""
    from mmsb.schemas import deltas
    from mmsb.schemas.words import words_of

    old, new = words_of(before), words_of(after)
    changed = [index for index, (was, is_) in enumerate(zip(old, new, strict=True)) if was != is_]
    more = sorted({*changed, len(new) - 1})
    made = (deltas._spans, deltas._mask, deltas._runs)
    return [
        (DeltaKind(kind), make(places, new))
        for kind, make in enumerate(made)
        for places in (changed, more, range(len(new)))
    ]
