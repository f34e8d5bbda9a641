"""All partitions of a data folder before one judge: what one sent to another, and that nothing is in the logs twice."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmsb.processors.receipts import Receipts
from mmsb.schemas.tlog.claims import Durability
from tests.simulation.claims import require
from tests.simulation.disk import VirtualFiles
from tests.simulation.judge import PartitionJudge
from tests.simulation.releases import Release
from tests.simulation.watch import Watch


class Court:
    def __init__(self, releases: Sequence[Release], partitions: int, window: int, folder: Path) -> None:
        self._folder = folder
        self.partitions = [PartitionJudge(releases, number, partitions, window) for number in range(partitions)]
        self.submitted: Counter[bytes] = Counter()  # values that may be in a log, and how often

    def start(self, files: VirtualFiles, durability: Durability) -> None:
        for judge in self.partitions:
            judge.start(files, self._folder / str(judge.number), durability)

    def told_many(self, receipts: Receipts, values: list[bytes]) -> None:
        require("a receipt for each", len(receipts) == len(values), f"{len(values)} intents, {receipts!r}")
        for row, value in enumerate(values):
            partition = 0 if receipts.partitions is None else int(receipts.partitions[row])
            self.partitions[partition].told_row(receipts, row, value)

    def judge(self, files: VirtualFiles) -> None:
        """A process has ended, and left this."""
        for judge in self.partitions:
            judge.judge(self._watch(files, judge))
        self._judge_values()

    def lose(self, files: VirtualFiles) -> None:
        """And then power was lost."""
        for judge in self.partitions:
            judge.lose(self._watch(files, judge))
        self._judge_values()

    def finish(self, files: VirtualFiles) -> None:
        """Nothing is on its way any more."""
        for judge in self.partitions:
            judge.finish(self._watch(files, judge))
        self.judge_follow_ups()

    def judge_follow_ups(self) -> None:
        for source in self.partitions:
            for target in self.partitions:
                sent = max((number for to, number in source.emitted if to == target.number), default=0)
                counted, way = target.counted(source.number), f"{source.number} to {target.number}"
                require("follow-ups arrive", counted == sent, f"from {way}: {counted} of {sent}")

    def _watch(self, files: VirtualFiles, judge: PartitionJudge) -> Watch:
        return Watch(files, self._folder / str(judge.number), durable=False)

    def _judge_values(self) -> None:
        found: Counter[bytes] = Counter()
        for judge in self.partitions:
            found.update(record.value for record in judge.log if record.value is not None)
            for source, number, value in judge.arrived():
                cause = self.partitions[source].emitted.get((judge.number, number))
                what = f"{number} from partition {source} to {judge.number}"
                require("a follow-up has its cause", cause == value, f"{what}: {value!r}, emitted was {cause!r}")
                del found[value]
        for value, count in found.items():
            allowed = self.submitted[value]
            require("only what was submitted is logged", allowed, f"{value!r:.300}")
            require("nothing is logged twice", count <= allowed, f"{value!r:.300}: {count} times")
