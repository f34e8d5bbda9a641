"""A mirror's folder says what it mirrors, or nothing yet: never half of it, whenever its worker dies."""

from pathlib import Path

import pytest

from mmsb.streams.files import File, RealFiles, write_new


class Dies(RealFiles):
    """After so many calls of those that change what is there."""

    def __init__(self, calls: int) -> None:
        self._calls = calls

    def create(self, path: Path) -> File:
        self._count()
        return super().create(path)

    def replace(self, source: Path, target: Path) -> None:
        self._count()
        super().replace(source, target)

    def _count(self) -> None:
        if self._calls == 0:
            raise KeyboardInterrupt
        self._calls -= 1


@pytest.mark.parametrize("calls", [0, 1])
def test_a_small_file_is_there_whole_or_not_at_all(tmp_path: Path, calls: int) -> None:
    path = tmp_path / "topic"
    with pytest.raises(KeyboardInterrupt):
        write_new(Dies(calls), path, b"what it is")
    assert not path.exists()
    write_new(RealFiles(), path, b"what it is")
    assert path.read_bytes() == b"what it is"
    assert [each.name for each in tmp_path.iterdir()] == ["topic"]
