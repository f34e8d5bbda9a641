"""A checkpoint is listed when it is whole and verified, found again when it is sound, and named when it is not."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.streams.checkpoints.creating import create_checkpoint
from mmsb.streams.checkpoints.folder import (
    CHECKPOINTS,
    MANIFEST,
    ROWS,
    clear_leftovers,
    list_names,
    read_manifest,
    remove_checkpoint,
)
from mmsb.streams.checkpoints.keeping import remove_surplus
from mmsb.streams.checkpoints.listing import list_checkpoints, newest_sound, verified
from mmsb.streams.checkpoints.manifest import Cause
from mmsb.streams.checkpoints.verifying import verify_checkpoint
from mmsb.streams.files import RealFiles
from tests.checkpoints.conftest import ModelWorld, place_in
from tests.checkpoints.rows import read_facts, rows_at
from tests.simulation.disk import VirtualFiles


def names_of(place):
    return list_names(place.world.files, place.partition)


def newest(place):
    found, skipped = newest_sound(place.world, place.partition, read=read_facts)
    manifest = None if found is None else found.manifest
    return None if manifest is None else manifest.facts.settled, skipped


def test_a_checkpoint_says_what_it_holds_and_is_sound(place):
    folder = place.checkpoint(99, 40, Cause("intent", 98))
    manifest = verify_checkpoint(place.world, folder, read=read_facts)
    assert (manifest.facts.settled, manifest.facts.accepted_at, manifest.facts.next) == (99, 40, 41)
    assert manifest.facts.pages == {"Account": 200}
    assert manifest.cause == Cause("intent", 98)
    assert {file.name for file in manifest.files} == set(place.world.files.names(folder / ROWS))
    assert folder.name == f"{100:020}-{40:020}"


def test_there_are_none_at_first(place):
    assert names_of(place) == []
    assert newest(place) == (None, [])
    assert clear_leftovers(place.world.files, place.partition) == []


def test_the_newest_comes_first_and_holds_what_was_there_then(place):
    folders = [place.checkpoint(settled, settled // 2) for settled in (9, 99, 199)]
    assert names_of(place) == [folder.name for folder in reversed(folders)]
    listed = verified(list_checkpoints(place.world.files, place.partition))
    assert [manifest.facts.settled for manifest in listed] == [199, 99, 9]
    assert newest(place) == (199, [])
    rows = place.world.open_checkpoint(folders[0] / ROWS)
    assert list(rows.rows(b"\x00", b"\xff")) == rows_at(9, 4)
    rows.close()


def test_the_same_state_is_checkpointed_once(place):
    first = place.checkpoint(9, 4)
    assert create_checkpoint(place.world, place.partition, place.store, Cause("schedule"), read_facts) == first
    assert read_manifest(place.world.files, first).cause == Cause("command")
    assert place.world.files.names(place.partition / CHECKPOINTS) == [first.name]


def test_a_claim_makes_another_state_of_the_same_intents(place):
    place.checkpoint(9, 4)
    place.checkpoint(9, 5)
    assert len(names_of(place)) == 2


def damage_manifest(folder):
    (folder / MANIFEST).write_bytes(b"what?")


def damage_rows(folder):
    path = folder / ROWS / "CURRENT"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [damage_manifest, damage_rows])
def test_a_checkpoint_that_was_damaged_is_replaced_by_a_new_one_of_its_state(real, damage):
    folder = real.checkpoint(9, 4)
    damage(folder)
    assert newest(real)[0] is None
    assert create_checkpoint(real.world, real.partition, real.store, Cause("command"), read_facts) == folder
    assert newest(real) == (9, [])


def test_the_newest_bad_one_is_skipped_by_name_and_reason(real):
    folders = [real.checkpoint(settled, settled // 2) for settled in (9, 99)]
    for path in sorted((folders[1] / ROWS).iterdir()):
        good = path.read_bytes()
        if not good:
            continue
        os.unlink(path)  # it may be a name of a file that the store and other checkpoints have too
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        settled, skipped = newest(real)
        assert settled == 9
        assert [one.name for one in skipped] == [folders[1].name]
        assert f"{path}: expected content that its hash fits" in skipped[0].reason
        path.write_bytes(good[:-1])
        assert f"{path}: expected {len(good)} bytes, found {len(good) - 1}" in newest(real)[1][0].reason
        path.unlink()
        assert f"{path}: expected a file of {len(good)} bytes, found none" in newest(real)[1][0].reason
        path.write_bytes(good)
        assert newest(real) == (99, [])


def test_what_does_not_belong_to_a_checkpoint_is_named(real):
    folder = real.checkpoint(9, 4)
    (folder / ROWS / "more").touch()
    with pytest.raises(CorruptState, match="more: expected no such file, found one"):
        verify_checkpoint(real.world, folder, read=read_facts)


def test_a_checkpoint_without_a_manifest_or_with_anothers_is_named_and_kept(real):
    folders = [real.checkpoint(settled, settled // 2) for settled in (9, 99)]
    (folders[1] / MANIFEST).write_bytes((folders[0] / MANIFEST).read_bytes())
    assert "expected the manifest of" in newest(real)[1][0].reason
    (folders[1] / MANIFEST).unlink()
    assert "expected the manifest of a checkpoint, found no file" in newest(real)[1][0].reason
    assert clear_leftovers(real.world.files, real.partition) == []
    remove_surplus(real.world.files, real.partition)
    assert folders[1].exists()


def test_rows_that_say_something_else_than_the_manifest_are_named(real):
    folder = real.checkpoint(9, 4)

    with pytest.raises(CorruptState, match="expected rows whose digest is"):
        verify_checkpoint(real.world, folder, read=lambda rows: replace(read_facts(rows), digest=bytes(16)))


def test_rows_that_cannot_be_read_are_no_checkpoint(place):
    def refuse(_):
        raise CorruptState("rows contradict each other")

    place.flush(9, 4)
    with pytest.raises(CorruptState, match="contradict"):
        create_checkpoint(place.world, place.partition, place.store, Cause("command"), refuse)
    assert names_of(place) == []
    assert len(clear_leftovers(place.world.files, place.partition)) == 1
    place.checkpoint(9, 4)
    assert newest(place) == (9, [])


def test_surplus_checkpoints_are_removed_oldest_first(place):
    for settled in (9, 19, 29, 39, 49):
        place.checkpoint(settled, settled // 2)
    removed = remove_surplus(place.world.files, place.partition)
    assert [int(name[:20]) - 1 for name in removed] == [19, 9]
    assert [int(name[:20]) - 1 for name in names_of(place)] == [49, 39, 29]
    assert newest(place) == (49, [])


def test_a_store_and_its_checkpoints_do_not_disturb_each_other(place):
    first = place.checkpoint(9, 4)
    second = place.checkpoint(19, 9)
    remove_checkpoint(place.world.files, place.partition, first.name)
    place.flush(29, 14)
    verify_checkpoint(place.world, second, read=read_facts)
    assert read_facts(place.store).settled == 29


class Killed(BaseException):
    """What a kill is, to a process that cannot see it."""


class KilledFiles(RealFiles):
    """Ends the process at an operation that changes something; everything written until then stays."""

    def __init__(self, left):
        self.left = left

    def _count(self):
        if not self.left:
            raise Killed
        self.left -= 1

    def create(self, path):
        self._count()
        return super().create(path)

    def make_folder(self, path):
        self._count()
        super().make_folder(path)

    def replace(self, source, target):
        self._count()
        super().replace(source, target)

    def remove(self, path):
        self._count()
        super().remove(path)

    def remove_folder(self, path):
        self._count()
        super().remove_folder(path)

    def sync_folder(self, path):
        self._count()
        super().sync_folder(path)


def checkpointing(folder, files):
    """Checkpoints and removals on these files; gives the partition, and whether it came to its end."""
    folder.mkdir()
    place = place_in(ModelWorld(RealFiles()), folder / "0")
    place.checkpoint(9, 4)
    place.world.files = files
    try:
        place.checkpoint(19, 9)
        place.checkpoint(29, 14)
        remove_surplus(files, place.partition, 2)
    except Killed:
        return place, False
    return place, True


def test_a_kill_anywhere_leaves_whole_checkpoints_and_left_overs(tmp_path):
    counted = KilledFiles(1_000)
    assert checkpointing(tmp_path / "all", counted)[1]
    steps, seen = 1_000 - counted.left, set()
    assert steps > 15
    for left in range(steps):
        place, ended = checkpointing(tmp_path / str(left), KilledFiles(left))
        assert not ended
        place.world.files = RealFiles()
        clear_leftovers(place.world.files, place.partition)
        there = names_of(place)
        assert place.world.files.names(place.partition / CHECKPOINTS) == sorted(there)
        assert newest(place) == (int(there[0][:20]) - 1, [])
        seen.add(tuple(int(name[:20]) - 1 for name in there))
    assert seen == {(9,), (19, 9), (29, 19, 9), (29, 19)}


def make_many(place):
    for settled in range(1009, 1109, 10):
        place.checkpoint(settled, settled // 2)


@pytest.mark.parametrize("seed", range(40))
def test_what_was_listed_is_listed_and_sound_after_loss_of_power(seed):
    files = VirtualFiles(seed)
    place = place_in(ModelWorld(files), Path("/0"))
    files.sync_folder(Path("/0"))
    for settled in range(9, 9 + 10 * (seed % 4 + 1), 10):
        place.checkpoint(settled, settled // 2)
    files.fail(seed * 2 + 1, for_ever=True)
    with pytest.raises(EnvironmentFailed):
        make_many(place)
    place.world = ModelWorld(files.crash())
    clear_leftovers(place.world.files, place.partition)
    settled, skipped = newest(place)
    assert settled is not None
    assert settled >= 9 + 10 * (seed % 4)
    assert skipped == []
