"""One thread appends, one syncs, others read, all at once, on the real file system."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random
from threading import Event

from mmsb.streams.files import RealFiles
from mmsb.streams.log import Log, Reader
from tests.log.batches import make_batch, offsets_of

BATCHES = 3000


def test_appending_syncing_and_reading_at_once(tmp_path):
    log = Log.open(RealFiles(), tmp_path / "log", 0, 20_000)
    log.mend()
    ended = Event()
    with ThreadPoolExecutor() as pool:
        tasks = [
            pool.submit(_append, log, ended),
            pool.submit(_sync, log, ended),
            pool.submit(_follow, log.read, log, ended),
            pool.submit(_follow, Reader(RealFiles(), tmp_path / "log", lambda: log.durable).read, log, ended),
            pool.submit(_jump, log, ended),
        ]
        read = [task.result() for task in tasks]
    assert read[2] == read[3] == read[0]
    assert log.durable == log.end
    log.close()
    again = Log.open(RealFiles(), tmp_path / "log", log.durable, 20_000)
    assert again.end == log.end


def _append(log, ended):
    data = b""
    try:
        for number in range(BATCHES):
            batch = make_batch(log.end, number % 3 + 1)
            log.append(batch, log.end, number % 3 + 1)
            data += batch
    finally:
        ended.set()
    return data


def _sync(log, ended):
    for _ in count():
        over, end = ended.is_set(), log.end
        log.sync()
        assert end <= log.durable <= log.end
        if over:
            return


def _follow(read, log, ended):
    data, offset = b"", 0
    while not (ended.is_set() and log.durable == log.end and offset == log.end):
        chunk = read(offset, 5000)
        if chunk:
            data += chunk
            offset = offsets_of(chunk)[1]
    return data


def _jump(log, ended):
    random = Random(1)
    while not ended.is_set():
        offset = random.randrange(log.end + 1)
        if data := log.read(offset, 1):
            first, end = offsets_of(data)
            assert first <= offset < end
