"""Every byte of a log, damaged: it is a torn tail, or the log stops and names the place. Nothing wrong is ever read."""

import re

import pytest

from mmsb.schemas.errors import CorruptState
from mmsb.streams.log import Log
from tests.log.batches import offsets_of
from tests.log.test_log import FOLDER, fill, first_offsets, open_log
from tests.simulation.disk import VirtualFiles

DURABLE = 30


def written() -> tuple[VirtualFiles, bytes]:
    """A log of several segments, and all that was appended to it."""
    files = VirtualFiles()
    log = open_log(files, segment_bytes=600)
    data = fill(log, 20)
    log.sync()
    return files, data


FILES, DATA = written()
NAMES = FILES.names(FOLDER)
SEGMENTS = [name for name in NAMES if name.endswith(".log")]


def damaged(name: str, content: bytes | None) -> VirtualFiles:
    after = VirtualFiles()
    after.make_folder(FOLDER)
    for other in NAMES:
        if other != name:
            after.damage(FOLDER / other, FILES.content(FOLDER / other))
    if content is not None:
        after.damage(FOLDER / name, content)
    return after


def read_all(log: Log) -> bytes:
    data, offset = b"", 0
    while offset < log.end:
        chunk = log.read(offset, 200)
        data += chunk
        offset = offsets_of(chunk)[1]
    return data


def judge(files: VirtualFiles, durable: int) -> str:
    """What becomes of a log: 'whole', 'torn', or 'stopped'."""
    try:
        log = Log.open(files, FOLDER, durable)
        log.mend()
        data = read_all(log)
    except CorruptState as error:
        text = str(error)
        assert re.search(rf"{re.escape(str(FOLDER))}.*\d+.*expected .* found .*restore", text), text
        return "stopped"
    assert DATA.startswith(data)
    assert log.end >= durable
    return "whole" if data == DATA else "torn"


@pytest.mark.parametrize("durable", [0, DURABLE, 39])
@pytest.mark.parametrize("name", SEGMENTS)
def test_every_flipped_byte_of_a_segment_is_found(name, durable):
    content = FILES.content(FOLDER / name)
    base, last = int(name[:20]), name == SEGMENTS[-1]
    starts = first_offsets(content)
    for position in range(len(content)):
        for flip in (1, 0x80):
            wrong = bytearray(content)
            wrong[position] ^= flip
            outcome = judge(damaged(name, bytes(wrong)), durable)
            offset = max(start for start, at in zip(starts, places(content), strict=True) if at <= position)
            torn = last and offset >= max(durable, base)
            assert outcome == ("torn" if torn else "stopped"), (position, offset)


def places(content: bytes) -> list[int]:
    """Where the batches of a segment begin."""
    found, at = [], 0
    while at < len(content):
        found.append(at)
        at += 12 + int.from_bytes(content[at + 8 : at + 12], "big")
    return found


@pytest.mark.parametrize("durable", [0, DURABLE, 39])
@pytest.mark.parametrize("name", SEGMENTS)
def test_a_segment_cut_anywhere_is_torn_or_named(name, durable):
    content = FILES.content(FOLDER / name)
    starts, last = first_offsets(content), name == SEGMENTS[-1]
    for size in range(len(content)):
        offset = max(start for start, at in zip(starts, places(content), strict=True) if at <= size)
        outcome = judge(damaged(name, content[:size]), durable)
        assert outcome == ("torn" if last and offset >= durable else "stopped"), (size, offset)


@pytest.mark.parametrize("tail", [bytes(1), bytes(61), bytes(5000), b"x" * 100, DATA[:300]])
def test_a_tail_of_anything_is_cut(tail):
    name = SEGMENTS[-1]
    files = damaged(name, FILES.content(FOLDER / name) + tail)
    assert judge(files, 39) == "whole"
    assert files.content(FOLDER / name) == FILES.content(FOLDER / name)


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_missing_segment_is_named_by_the_offset_that_is_missing(name):
    files = damaged(name, None)
    base = int(name[:20])
    with pytest.raises(CorruptState) as error:
        Log.open(files, FOLDER, 39)
    assert f"offset {base}" in str(error.value)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SEGMENTS])
def test_a_damaged_index_is_made_anew(name):
    content = FILES.content(FOLDER / name)
    versions = [None, b"", *(content[:size] for size in range(0, len(content), 7)), content + b"x"]
    for position in range(len(content)):
        wrong = bytearray(content)
        wrong[position] ^= 1
        versions.append(bytes(wrong))
    for version in versions:
        assert judge(damaged(name, version), 39) == "whole"


def test_an_index_that_was_missing_is_written_again():
    name = NAMES[1]
    assert name not in SEGMENTS
    files = damaged(name, None)
    open_log(files, 39)
    assert files.content(FOLDER / name) == FILES.content(FOLDER / name)


def test_the_folder_of_another_log_is_refused():
    files = VirtualFiles()
    files.make_folder(FOLDER)
    files.damage(FOLDER / f"{7:020}.log", b"")
    with pytest.raises(CorruptState, match=r"from offset 0 on, found 0{19}7\.log as the first"):
        Log.open(files, FOLDER, 0)


def test_files_of_others_are_left_alone():
    files = damaged("", None)
    files.damage(FOLDER / "notes.log", b"text")
    files.damage(FOLDER / "leader-epoch-checkpoint", b"0")
    assert judge(files, 39) == "whole"
    assert files.content(FOLDER / "notes.log") == b"text"
