"""Loss of power at any place of a recorded run: what was not synced is lost, torn or reordered, and all told must hold.

Plays the recording on the simulated disk (tests/simulation/disk.py) up to a cut, crashes it as a seed decides, opens
what is left with the shipped code, and holds it against the whole run, which the model has judged.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mmsb.schemas.errors import CorruptState
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.beginning import Wanted
from mmsb.streams.files import Files
from mmsb.streams.opening import Code, Opened, open_partition
from tests.crash.applications import APPLICATIONS
from tests.crash.judge import judge, read_log
from tests.crash.recording import SEGMENT_BYTES, FilesWorld, Recording
from tests.crash.segments import small_segments
from tests.crash.trace import Entry, Operation, Said
from tests.model.tlog import BLOCK, decode_header, kind_of
from tests.simulation.claims import Wrong, require
from tests.simulation.disk import VirtualFiles

DATA = Path("/data")


@dataclass
class Whole:
    """One partition as the whole run left it."""

    intents: bytes
    digests: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])  # by last settled offset


class ReplayWorld(FilesWorld):
    """This machine with another disk, and names that do not repeat."""

    def __init__(self, files: Files, random: Random) -> None:
        super().__init__(files)
        self._random = random

    def nonce(self) -> bytes:
        return self._random.randbytes(16)


class Judge:
    """Holds crashes of one recording against the whole run."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._application = APPLICATIONS[recording.application]
        self._whole = [self._read(recording.data / str(number)) for number in range(recording.partitions)]
        judge(recording.data, [], recording.application, recording.partitions, FilesWorld)
        self._code = Code(self._application.app.bundle(), None, Durability.FSYNC)

    def _read(self, folder: Path) -> Whole:
        whole = Whole(_content(folder / "intents"))
        for record in read_log(folder / "tlog"):
            if record.value is not None and kind_of(record.value) == BLOCK:
                header = decode_header(record.value)
                whole.digests[header.last] = header.digest
        return whole

    def cut(self, cuts: int, seed: int) -> None:
        """Lose power at that many places of the recording; raises Wrong, with the place."""
        for player, crash_seed in self._places(cuts, seed):
            self._crash(player, crash_seed)

    def broken(self, cuts: int, seed: int) -> list[str]:
        """What is wrong after those of so many losses of power after which something is."""
        found: list[str] = []
        for player, crash_seed in self._places(cuts, seed):
            try:
                self._crash(player, crash_seed)
            except Wrong as wrong:
                found.append(str(wrong))
        return found

    def _places(self, cuts: int, seed: int) -> "Generator[tuple[Player, int]]":
        """Players that stand at places of the recording, in its order, and a seed for what is lost there."""
        random, player = Random(seed), Player()
        entries = self._recording.trace.entries
        with small_segments(SEGMENT_BYTES):
            for place in sorted(random.choices(range(len(entries) + 1), k=cuts)):
                player.play(entries[player.played : place])
                yield player, random.getrandbits(32)

    def _crash(self, player: "Player", seed: int) -> None:
        try:
            after, random = player.crashed(seed), Random(seed)
            for twice in (True, False):
                self._judge(after, player.said, random)
                if twice:  # and power is lost again when all partitions have been opened
                    after = after.crash()
        except Exception as error:
            error.add_note(f"power was lost after {player.played} entries of the recording, seed {seed}")
            raise

    def _judge(self, files: VirtualFiles, said: "dict[tuple[int, str], int]", random: Random) -> None:
        log_id: bytes | None = None
        for number, whole in enumerate(self._whole):
            folder = DATA / str(number)
            app = self._application.app.name
            wanted = Wanted(app, number, self._recording.partitions, None, log_id)
            with _named("a loss of power is no corruption"):
                opened = open_partition(ReplayWorld(files, random), folder, wanted, self._code, lambda *_: None)
            log_id = opened.writer.fold.genesis.log_id
            try:
                _judge_partition(opened, whole, {kind: said.get((number, kind), -1) for kind in ("logged", "settled")})
                _judge_prefix(files, folder / "intents", whole.intents)
            finally:
                opened.close()


@contextmanager
def _named(claim: str) -> Generator[None]:
    try:
        yield
    except CorruptState as error:
        raise Wrong(f"[{claim}] {error}") from error


def _judge_partition(opened: Opened, whole: Whole, said: dict[str, int]) -> None:
    end, fold = opened.intents.end, opened.writer.fold
    require("what is told logged survives", end > said["logged"], f"{said['logged']}; the log ends at {end}")
    settled = fold.settled
    require("what is told settled survives", settled >= said["settled"], f"{said['settled']}, and now {settled}")
    if settled >= 0:
        same = (fold.digest.a, fold.digest.b) == whole.digests.get(settled)
        require("state is the model's", same, f"after offset {settled}")
    for type_id in opened.home.state.array_pages.types:
        opened.home.bring_type(type_id)
    whole_digest = fold.state.recompute_digest()
    require("the home has every page", whole_digest == fold.digest, f"after offset {settled}")


def _judge_prefix(files: VirtualFiles, folder: Path, whole: bytes) -> None:
    paths = [folder / name for name in files.names(folder) if name.endswith(".log")]
    found = b"".join(files.content(path) for path in paths)
    require("the log holds what was written, in that order", whole.startswith(found), f"{folder}: {len(found)} bytes")


def _content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))


class Player:
    """A simulated disk on which a recording is played."""

    def __init__(self) -> None:
        self.files = VirtualFiles()
        self.files.make_folder(DATA)
        self.said: dict[tuple[int, str], int] = {}  # the highest offset of each partition and kind
        self.played = 0

    def play(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Said):
                place = (entry.partition, entry.kind)
                self.said[place] = max(entry.offset, self.said.get(place, -1))
            else:
                self._do(entry)
            self.played += 1

    def _do(self, operation: Operation) -> None:
        files, path = self.files, operation.path
        if operation.name in ("create", "make_folder", "sync_folder", "remove", "remove_folder"):
            getattr(files, operation.name)(path)
        elif operation.name in ("replace", "link"):
            assert operation.target is not None, "it has another name"
            getattr(files, operation.name)(path, operation.target)
        elif operation.name == "write":
            files.open(path).write(operation.position, operation.data)
        elif operation.name == "truncate":
            files.open(path).truncate(operation.position)
        else:
            files.open(path).sync()

    def crashed(self, seed: int) -> VirtualFiles:
        """The disk if power is lost now; playing can go on."""
        now = copy(self.files)
        now.random = Random(seed)
        after = now.crash()
        after._folders = set(after._folders)
        return after
