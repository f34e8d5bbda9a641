"""Whatever is flipped in a data folder, verify finds it, and it says nothing of a folder that is whole."""

from random import Random

from mmsb.schemas.batches import encode_batch
from mmsb.streams.folder import INTENTS, MARK, TLOG
from mmsb.streams.log import Durable, Mark
from mmsb.streams.log.begin import write_begin
from mmsb.streams.log.segments import list_bases, log_path
from mmsb.streams.past.problems import Problem
from mmsb.streams.past.verifying import LogsAlone, Summary, verify
from tests.past.folders import PARTITION, open_log, write_missing, write_partition
from tests.past.test_moments import Written, trim
from tests.proof.agreement import loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles

DATA = PARTITION.parent


def written() -> VirtualFiles:
    case = make_case(2, 60)
    files = VirtualFiles()
    with loaded(case.description) as bundle:
        entries = list(entries_of(case, bundle, 3))
    write_partition(files, entries, case.genesis.pack(), case.records)
    write_missing(files, PARTITION / TLOG, len(entries) + 1)
    return files


def problems(files: VirtualFiles) -> list[Problem]:
    return [found for found in verify(files, DATA) if isinstance(found, Problem)]


def test_a_folder_that_is_whole_has_no_problems_and_is_summed_up() -> None:
    files, told = written(), []
    *found, summary = verify(files, DATA, lambda done, total: told.append((done, total)))
    assert found == []
    assert isinstance(summary, Summary)
    assert (summary.problems, summary.settled, summary.intents) == (0, 59, 60)
    assert (summary.blocks, summary.records, summary.discarded) == (20, 22, 0)
    assert told[-1][0] == told[-1][1] == summary.size


def test_every_flipped_byte_is_found() -> None:
    files, rng = written(), Random(1)
    for folder in (PARTITION, PARTITION / TLOG, PARTITION / INTENTS):
        for name in files.names(folder):
            if name in (TLOG, INTENTS):
                continue
            path = folder / name
            content = files.content(path)
            for at in sorted({0, len(content) - 1, *rng.sample(range(len(content)), min(len(content), 12))}):
                wrong = bytearray(content)
                wrong[at] ^= 1 << rng.randrange(8)
                files.damage(path, bytes(wrong))
                found = problems(files)
                assert found, (path, at)
                assert {problem.path for problem in found} & {path, path.parent}, (path, at, found)
            files.damage(path, content)
    assert problems(files) == []


def test_a_log_that_was_trimmed_is_checked_from_a_base_on() -> None:
    written = Written(2, 3)
    files, bases = written.files, written.bases(12)
    log = open_log(files, PARTITION / INTENTS)
    for record in written.case.records:
        log.append(encode_batch(log.end, [record]), log.end, 1)
    log.sync()
    mark = Mark.open(files, PARTITION / MARK)
    mark.write(Durable(log.durable, written.end))
    mark.close()
    log.close()
    assert problems(files) == []
    first = trim(written, 12)
    write_begin(files, PARTITION / TLOG, first)
    assert [problem.expected for problem in problems(files)] == [
        "a sound checkpoint from which a TLog goes on that begins at offset 12"
    ]
    *found, summary = verify(files, DATA, beside=lambda _: LogsAlone(bases))
    assert found == []
    assert isinstance(summary, Summary)
    assert (summary.settled, summary.records, summary.blocks) == (59, written.end, written.end - 13)
    for base in list_bases(files, PARTITION / TLOG)[1:]:
        path, content = log_path(PARTITION / TLOG, base), files.content(log_path(PARTITION / TLOG, base))
        files.damage(path, content[:-9] + bytes([content[-9] ^ 4]) + content[-8:])
        assert [each for each in verify(files, DATA, beside=lambda _: LogsAlone(bases)) if isinstance(each, Problem)]
        files.damage(path, content)
    assert first > 0
