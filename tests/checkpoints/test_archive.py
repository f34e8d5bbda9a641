"""An archive moves a checkpoint to another machine, whole or not at all."""

import os
import shutil
from dataclasses import replace
from random import Random

import pytest
import zstandard
from blake3 import blake3

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, FolderInUse, InvalidValue, MmsbError
from mmsb.streams.checkpoints import archive as archives
from mmsb.streams.checkpoints.archive import Archive, export_checkpoint
from mmsb.streams.checkpoints.folder import CHECKPOINTS, ROWS
from mmsb.streams.checkpoints.installing import import_checkpoint
from mmsb.streams.checkpoints.manifest import encode_manifest
from mmsb.streams.checkpoints.verifying import verify_checkpoint
from mmsb.streams.files import RealFiles
from mmsb.streams.log import Durable, Log, MarkReader
from mmsb.streams.world import RealWorld
from tests.checkpoints.conftest import ModelWorld, place_in
from tests.checkpoints.rows import read_facts, rows_at
from tests.checkpoints.test_checkpoints import Killed, KilledFiles

FILES = RealFiles()


@pytest.fixture
def exported(real, tmp_path):
    folder = real.checkpoint(99, 40)
    path = tmp_path / "bank.zst"
    export_checkpoint(FILES, folder, path)
    return path


def imported(path, data, world=None, **more):
    return import_checkpoint(world or RealWorld(), path, data, read=read_facts, **more)


def test_a_partition_that_was_moved_has_the_same_rows_and_goes_on_where_it_was(exported, tmp_path, real):
    data, told = tmp_path / "other" / "data", []
    manifest = imported(exported, data, tell=lambda done, total: told.append((done, total)))
    assert (manifest.facts.settled, told[-1]) == (99, (manifest.size, manifest.size))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    moved = data / "0"
    assert sorted(os.listdir(moved)) == ["checkpoints", "home", "intents", "mark", "tlog"]
    home = real.world.store(moved / "home")
    assert list(home.rows(b"\x00", b"\xff")) == rows_at(99, 40)
    home.ingest(rows_at(109, 42))
    home.close()
    [name] = os.listdir(moved / CHECKPOINTS)
    assert verify_checkpoint(RealWorld(), moved / CHECKPOINTS / name, read=read_facts) == manifest
    assert MarkReader(FILES, moved / "mark").read() == Durable(100, 41)
    for log, end in (("intents", 100), ("tlog", 41)):
        opened = Log.open(FILES, moved / log, end)
        assert (opened.first, opened.end) == (end, end)


def test_zstd_itself_reads_an_archive(exported):
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(exported.read_bytes())
    assert plain.startswith(b"MMA\x01\x00\x00\x00\x00MMC\x01")


def test_an_import_replaces_nothing(exported, tmp_path):
    data = tmp_path / "data"
    imported(exported, data)
    before = sorted(os.walk(data))
    with pytest.raises(InvalidValue, match="0: expected no partition there, since an import replaces none"):
        imported(exported, data)
    assert sorted(os.walk(data)) == before


def test_an_import_needs_the_folder_for_itself(exported, tmp_path):
    (tmp_path / "data").mkdir()
    lock = RealWorld().lock(tmp_path / "data")
    with pytest.raises(FolderInUse):
        imported(exported, tmp_path / "data")
    lock.close()


def test_an_export_replaces_nothing(exported, real):
    [name] = os.listdir(real.partition / CHECKPOINTS)
    with pytest.raises(InvalidValue, match="expected no file"):
        export_checkpoint(FILES, real.partition / CHECKPOINTS / name, exported)


def test_a_damaged_checkpoint_is_not_exported(real, tmp_path):
    folder = real.checkpoint(9, 4)
    path = next((folder / ROWS).glob("*.sst"))
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptState, match=r"sst: expected what its manifest says, found other"):
        export_checkpoint(FILES, folder, tmp_path / "out.zst")
    assert not (tmp_path / "out.zst").exists()


def test_every_flip_and_every_cut_is_refused_with_its_place_and_leaves_no_partition(exported, tmp_path):
    good, random = exported.read_bytes(), Random(7)
    places = sorted({*range(0, 48), *range(len(good) - 48, len(good)), *random.sample(range(len(good)), 60)})
    for position in places:
        flipped = bytearray(good)
        flipped[position] ^= 1 << random.randrange(8)
        exported.write_bytes(flipped)
        assert_refused(exported, tmp_path / "data")
        exported.write_bytes(good[:position])
        assert_refused(exported, tmp_path / "data")
    exported.write_bytes(good)
    imported(exported, tmp_path / "data")


def assert_refused(path, data):
    with pytest.raises(MmsbError, match=r"bank\.zst( (near|at) byte \d+|: (manifest|expected version))"):
        imported(path, data)
    assert not [name for name in (os.listdir(data) if data.exists() else []) if name.isdecimal()]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", bytes(1000)])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content):
    (tmp_path / "bank.zst").write_bytes(content)
    with pytest.raises(CorruptState, match="expected the seal of an archive"):
        imported(tmp_path / "bank.zst", tmp_path / "data")


def test_an_archive_cannot_become_larger_than_the_limit(exported, tmp_path):
    size = Archive(FILES, exported).manifest.size
    with pytest.raises(InvalidValue, match=f"at most ARCHIVE_BYTES_MAX = {size - 1} bytes of rows, found {size}"):
        imported(exported, tmp_path / "data", bytes_max=size - 1)
    assert not (tmp_path / "data").exists()


def sealed(path, plain, **how):
    """An archive of anything, with a seal that fits."""
    compressed = zstandard.ZstdCompressor(**how).compress(plain)
    path.write_bytes(compressed + archives._SEAL.pack(archives._SKIPPABLE, 32, blake3(compressed).digest()))


def test_what_becomes_more_than_it_says_is_not_read_on(exported, tmp_path):
    """A few compressed bytes may become any number; only as many are made as the manifest names."""
    opened = Archive(FILES, exported)
    start = b"MMA\x01" + bytes(4) + encode_manifest(replace(opened.manifest, files=()))
    sealed(tmp_path / "bomb.zst", start + bytes(200_000_000))
    assert (tmp_path / "bomb.zst").stat().st_size < 50_000
    bomb = Archive(FILES, tmp_path / "bomb.zst")
    with pytest.raises(CorruptState, match="expected its end after the last file, found more"):
        bomb.extract(lambda stored, parts: None, lambda done, total: None)


def test_an_archive_that_asks_for_too_much_memory_is_refused(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    sealed(tmp_path / "wide.zst", os.urandom(1000) * 300_000, compression_params=parameters)
    with pytest.raises(CorruptState, match=r"expected zstd data, found .*memory"):
        Archive(FILES, tmp_path / "wide.zst")


def test_another_version_is_refused_by_number(tmp_path):
    sealed(tmp_path / "new.zst", b"MMA\x02" + bytes(100))
    with pytest.raises(CorruptState, match="expected version 1 of archives, found 2"):
        Archive(FILES, tmp_path / "new.zst")


def test_a_kill_anywhere_while_importing_leaves_no_partition_and_the_next_import_goes_well(tmp_path):
    origin = ModelWorld(RealFiles())
    folder = place_in(origin, tmp_path / "0").checkpoint(99, 40)
    export_checkpoint(FILES, folder, tmp_path / "bank.zst")
    counted = KilledFiles(1_000)
    imported(tmp_path / "bank.zst", tmp_path / "whole", ModelWorld(counted))
    assert 1_000 - counted.left > 20
    for left in range(1_000 - counted.left):
        data = tmp_path / "data"
        with pytest.raises(Killed):
            imported(tmp_path / "bank.zst", data, ModelWorld(KilledFiles(left)))
        if not (data / "0").exists():
            imported(tmp_path / "bank.zst", data, ModelWorld(RealFiles()))
        [name] = os.listdir(data / "0" / CHECKPOINTS)
        verify_checkpoint(ModelWorld(RealFiles()), data / "0" / CHECKPOINTS / name, read=read_facts)
        assert os.listdir(data / "0" / "tlog") == ["begin"]
        shutil.rmtree(data)


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(EnvironmentFailed, match=r"gone\.zst: expected to open it"):
        imported(tmp_path / "gone.zst", tmp_path / "data")
