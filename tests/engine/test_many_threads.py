"""Many threads submit, read and checkpoint at once: one writer owns the slots of pages, and hands out none twice."""

import asyncio
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final, cast

from mmsb.kernels.tables import page_index
from mmsb.state.array_pages import ArrayPageType
from mmsb.streams.engine import Engine
from mmsb.streams.files import RealFiles
from mmsb.streams.past.folding import fold_partition
from tests.engine.test_beyond_memory import Book, Burn, Lend, app

THREADS: Final = 4 * (os.cpu_count() or 1)
BOOKS: Final = 40
ROUNDS: Final = 40


def free_slots(pages: ArrayPageType) -> list[int]:
    """As their chain has them."""
    found, slot = list[int](), int(pages.index[page_index.FREE])
    while slot:
        found.append(slot - 1)
        assert len(found) <= pages.used, "the chain ends"
        slot = int(pages.slot(slot - 1)[1])
    return found


def check_slots(pages: ArrayPageType) -> None:
    free = free_slots(pages)
    taken = [slot for slot in range(pages.used) if pages.slot(slot)[0] != 0]
    assert sorted(free + taken) == list(range(pages.used)), "each slot is free or taken, and never both"
    keys = {pages.read(slot)[0] for slot in taken}
    assert len(keys) == len(taken) == pages.resident


def test_no_slot_is_handed_out_twice_and_the_log_alone_comes_to_the_same(tmp_path: Path) -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        async with app.run(data=tmp_path, interpreted=True) as shelf:

            def ask(what: Coroutine[Any, Any, Any]) -> Any:
                return asyncio.run_coroutine_threadsafe(what, loop).result(60)

            def work(number: int) -> int:
                random, settled = Random(number), 0
                for round in range(ROUNDS):
                    book, other = random.randrange(BOOKS), random.randrange(BOOKS)
                    request = Burn(book) if random.random() < 0.4 else Lend(book, other)
                    settled += ask(shelf.submit(request)).offset >= 0
                    ask(shelf.get_many(Book, list(range(BOOKS))))
                    if round % 20 == number % 20:
                        ask(shelf.checkpoint())
                return settled

            with ThreadPoolExecutor(THREADS) as threads:
                asked = [loop.run_in_executor(threads, work, number) for number in range(THREADS)]
                assert await asyncio.gather(*asked) == [ROUNDS] * THREADS
            (partition,) = (await shelf.stats()).partitions
            assert partition.settled == THREADS * ROUNDS - 1
            assert partition.checkpoints > 1
            opened = cast(Engine, shelf._door)._partitions[0].opened  # pyright: ignore[reportPrivateUsage]
            (pages,) = opened.home.state.array_pages.types.values()
            check_slots(pages)
            assert pages.used <= BOOKS, "slots of what was deleted are taken again"
            return partition.digest

    digest = asyncio.run(asyncio.wait_for(main(), 100))
    fold = fold_partition(RealFiles(), tmp_path / "0")
    assert fold.digest.pack().hex() == digest
    assert fold.state.recompute_digest() == fold.digest
