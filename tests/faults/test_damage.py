"""One byte of a data folder is wrong, or one file cut in half: said or harmless, and never a wrong answer.

Each file in turn, in a copy of its own. `mmsb verify` must name the file unless it provably changes nothing, and a
start must answer as before, or stop with CorruptState.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

import mmsb
from mmsb.streams.checkpoints.archive import export_checkpoint
from mmsb.streams.checkpoints.folder import CHECKPOINTS, list_names
from mmsb.streams.checkpoints.installing import import_checkpoint
from mmsb.streams.files import RealFiles
from mmsb.streams.world import RealWorld
from tests.faults import folders
from tests.faults.folders import Answers, Started

HARMLESS = ("lock", "home/IDENTITY", "home/LOG", "home/OPTIONS-", "home/rocksdict-config.json")
"""What says nothing of the state: the number of the last owner, and RocksDB's notes and settings, which each opening
of ours gives anew."""


@pytest.fixture(scope="module", params=["whole", "trimmed"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folders.make(tmp_path_factory.mktemp("image"), trim=request.param == "trimmed")


def different_files(folder: Path) -> Iterator[Path]:
    """Files with something in them, relative to the folder; those that are links of one, once."""
    seen: set[int] = set()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size):
        if path.stat().st_ino not in seen:
            seen.add(path.stat().st_ino)
            yield path.relative_to(folder)


def flip(path: Path) -> None:
    random = Random(path.name)
    with path.open("r+b") as file:
        content = file.read()
        at = random.randrange(len(content))
        file.seek(at)
        file.write(bytes([content[at] ^ 1 << random.randrange(8)]))


def flip_last(path: Path) -> None:
    with path.open("r+b") as file:
        content = file.read()
        file.seek(len(content) - 1)
        file.write(bytes([content[-1] ^ 128]))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def agrees(found: Answers, expected: Answers) -> bool:
    """All that is said is so; of a page's history less may be known, which is said."""
    same = (found.digest, found.pages, found.then) == (expected.digest, expected.pages, expected.then)
    if found.trimmed == expected.trimmed:
        return same and found.history == expected.history
    return same and found.trimmed is not None and found.history == expected.history[: len(found.history)]


def check_verdict(file: Path, said: list[str], started: Started, expected: Answers) -> None:
    """Of the first start after a file was damaged."""
    named = any(file.name in each for each in said)
    unfinished = file.suffix == ".pages-new"  # the image was taken while an index was written: nobody reads it
    harmless = unfinished or str(file).removeprefix("0/").startswith(HARMLESS)
    assert named or (not said and harmless), (file, said)
    if started.error is not None:
        assert isinstance(started.error, mmsb.CorruptState), (file, started.error)
        text = str(started.error)
        assert file.name in text or "mmsb verify" in text or "start it again" in text, (file, text)
        assert named, (file, said)
    else:
        assert started.answers is not None
        assert agrees(started.answers, expected), (file, started.answers)
    if not said:
        assert started == Started(expected), (file, started)


@pytest.mark.parametrize("damage", [flip, flip_last, cut])
def test_a_damaged_file_is_named_and_no_answer_is_wrong(
    image: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    sound = folders.start(folders.copy(image, tmp_path / "sound"))
    expected = sound.answers
    assert expected is not None, sound
    for number, file in enumerate(different_files(image)):
        data = folders.copy(image, tmp_path / str(number))
        damage(data / file)
        said = [str(problem) for problem in folders.problems(data)]
        started = folders.start(data)
        check_verdict(file, said, started, expected)
        if started.error is not None and file.parts[1:2] == ("home",):
            again = folders.start(data)
            assert again.answers is not None, (file, again)
            assert agrees(again.answers, expected), (file, again)
            assert "what was there is in" in again.said[0]


@pytest.mark.parametrize("damage", [flip, flip_last, cut])
def test_a_damaged_archive_becomes_no_partition(image: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    partition, archive, data = image / "0", tmp_path / "archive", tmp_path / "data"
    export_checkpoint(RealFiles(), partition / CHECKPOINTS / list_names(RealFiles(), partition)[0], archive)
    damage(archive)
    with pytest.raises(mmsb.CorruptState, match=f"{archive}.* take "):
        import_checkpoint(RealWorld(), archive, data)
    assert not (data / "0").exists()
