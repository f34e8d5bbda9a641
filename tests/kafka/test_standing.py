"""What is noted of a TLog: a fold of headers that begins there counts what a whole fold counts."""

import struct
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest

from mmsb.schemas.errors import CorruptState, MalformedBytes, NewerFormat
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.fold import Verdict
from mmsb.streams.kafka.clients.standing import HeaderFold, Noted, name_hash, read_words, standing_of
from tests.processors.test_interleavings import STEPS, Race
from tests.processors.tlogs import FIRST, GENESIS, SECOND, THIRD, TO_WIDE, Node, Tlog, pay


def raced(seed: int) -> Tlog:
    """A TLog that three writers of three generations race for, with doubles and latecomers."""
    race = Race(seed)
    for _ in range(2 * STEPS):
        race.go_on()
    return race.network.tlog


def verdicts(fold: HeaderFold, tlog: Tlog) -> list[tuple[int, bool, bool]]:
    return [told(fold.read(offset, *tlog.records[offset])) for offset in range(fold.next, len(tlog.records))]


def told(verdict: Verdict) -> tuple[int, bool, bool]:
    return verdict.offset, verdict.accepted, verdict.settles


def noted_of(noted: Noted) -> str:
    words = noted.words()
    assert words is not None
    return words


@pytest.mark.parametrize("seed", range(8))
def test_it_counts_what_a_whole_fold_counts_wherever_it_begins(seed: int) -> None:
    tlog = raced(seed)
    whole = tlog.folded(1)
    headers = HeaderFold(tlog.genesis.pack(), b"genesis")
    right = [told(whole.read(offset, *tlog.records[offset])) for offset in range(1, len(tlog.records))]
    assert verdicts(headers, tlog) == right
    whole, claimed_at, begun = tlog.folded(1), -1, 0
    for offset in range(1, len(tlog.records)):
        verdict = whole.read(offset, *tlog.records[offset])
        if verdict.accepted and verdict.kind == TlogKind.CLAIM:
            claimed_at = offset
        if offset % 6 == 0 and not whole.pending:
            words = noted_of(standing_of(whole, claimed_at))
            fold = HeaderFold.at(read_words("till", 0, whole.next, words))
            fold.check_place(*tlog.records[fold.accepted_at])
            assert (fold.claimed_at, fold.genesis) == (claimed_at, GENESIS)
            assert verdicts(fold, tlog) == right[offset:]
            assert (fold.settled, fold.head, fold.claimed_at) == (headers.settled, headers.head, headers.claimed_at)
            begun += 1
    assert begun
    assert headers.settled > 0


def test_types_that_no_class_has_any_more_are_known() -> None:
    """A page of another layout under their name has to be migrated, whoever noted what in between."""
    tlog = Tlog()
    Node(tlog, b"a" * 16, FIRST).take()
    Node(tlog, b"b" * 16, SECOND).take()
    noted = standing_of(tlog.folded(), 2)
    assert noted.types == {name_hash("Till"): FIRST.pages_by_name["Till"].type_id}
    third = Node(tlog, b"c" * 16, THIRD)
    third.take()
    fold = HeaderFold.at(read_words("till", 0, noted.next, noted_of(noted)))
    assert all(accepted for _, accepted, _ in verdicts(fold, tlog))
    assert set(fold.pending) == {"Till"}
    third.append(third.writer.migrate([TO_WIDE]))
    third.read()
    assert all(accepted for _, accepted, _ in verdicts(fold, tlog))
    assert not fold.pending
    assert noted_of(standing_of(third.writer.fold, 3)) == noted_of(standing_of(tlog.folded(), 3))


def noted() -> tuple[Tlog, Noted]:
    tlog = Tlog()
    node = Node(tlog, b"a" * 16, FIRST)
    node.take()
    node.settle(pay(1, 5))
    return tlog, standing_of(tlog.folded(), 1)


def test_another_topic_is_noticed() -> None:
    tlog, standing = noted()
    fold = HeaderFold.at(standing)
    fold.check_place(*tlog.records[2])
    for key, value in (tlog.records[1], (b"block", None), (None, tlog.records[2][1])):
        with pytest.raises(CorruptState, match="the topic was made anew"):
            fold.check_place(key, value)


def test_words_are_read_as_they_were_written_or_refused() -> None:
    _, standing = noted()
    words = noted_of(standing)
    assert read_words("till", 0, 3, words) == standing
    data = b64decode(words)
    assert len(data) == 184 + 16
    assert data[:4] == b"MMN\x01"
    two = struct.pack("<QQQQ", 2, 1, 1, 1)
    wrong: dict[str, bytes] = {
        "base64": b"\xff",
        "begin with": data[:100],
        "types": data + bytes(16),
        "a flag": data[:64] + struct.pack("<Q", 2) + data[72:],
        "below 3": data[:48] + struct.pack("<q", 3) + data[56:],
        "that rise": data[:4] + struct.pack("<I", 2) + data[8:184] + two,
        "a genesis": data[:24] + bytes(4) + data[28:],
    }
    for why, damaged in wrong.items():
        text = "not base64!" if why == "base64" else b64encode(damaged).decode()
        with pytest.raises(MalformedBytes, match=why):
            read_words("till", 0, 3, text)
    with pytest.raises(NewerFormat, match="version 2"):
        read_words("till", 0, 3, b64encode(b"MMN\x02" + data[4:]).decode())


def test_too_many_page_types_are_not_noted() -> None:
    _, standing = noted()
    assert replace(standing, types=dict.fromkeys(range(180), 1)).words() is not None
    assert replace(standing, types=dict.fromkeys(range(181), 1)).words() is None
