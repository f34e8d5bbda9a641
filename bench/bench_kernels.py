"""The page kernels: copy, zero, compare, merge, apply and allocate, on one core.

Merges are measured at every density, over four pages that stay in the cache and over 400 MB of them in random order;
from that come the dispatcher's threshold (kernels/pages/merge.py) and docs/figures/merge_density.svg.
"""

import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from bench.density_chart import Panel, write_chart
from bench.figures import Figure, figure, times
from bench.harness import Case, measure_all, progress, report
from bench.kernel_loops import allocate, allocate_all, apply_all
from mmsb.kernels.pages import page_memory
from mmsb.kernels.pages.merge import DENSE_FROM, merge_dense, merge_pages
from mmsb.schemas.deltas import DeltaKind, change
from mmsb.state.array_pages import ArrayPageType

SEED: Final = 1
LARGE: Final = 128 * 2**20
PAGE: Final = 4096
WORDS: Final = PAGE // 8
PAGE_SET: Final = 400_000_000 // PAGE * PAGE
PAGES: Final = PAGE_SET // PAGE
HOT_PAGES: Final = 4
CHANGES: Final = 32  # different ones, which are themselves in the cache
DENSITIES: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 22, 25, 30, 40, 50)
NEVER: Final = 1_000_000  # percent
IN_A_ROW: Final = "in a row"
SCATTERED: Final = "scattered"
EQUAL: Final = "equal"
SHAPES: Final = {IN_A_ROW: (64, 256, 1024, PAGE), SCATTERED: (64, 256, 1024), EQUAL: (64, 1024)}
ALLOCATED: Final = 20_000
SLOT: Final = 1024
ROUNDS: Final = 9

Array = Any


def main() -> None:
    rng = np.random.default_rng(SEED)
    figures = page_figures()
    pages = np.ones(PAGE_SET, np.uint8)
    places = {
        "hot": np.tile(np.arange(HOT_PAGES) * PAGE, PAGES // HOT_PAGES),
        "cold": rng.permutation(PAGES) * PAGE,
    }
    panels: list[Panel] = []
    for name, starts in places.items():
        found, panel = sweep(name, pages, starts, rng)
        figures += found
        panels.append(panel)
    write_chart(panels, DENSE_FROM, PAGE)
    figures += apply_figures(pages.view(np.uint64), places, rng)
    figures += allocation_figures()
    report("kernels", {"seed": SEED, "page": PAGE, "page set": PAGE_SET, "dense from, %": DENSE_FROM}, figures)


def page_figures() -> list[Figure]:
    """All traffic counts: what is read and what is written."""
    one, other = np.ones(LARGE, np.uint8), np.ones(LARGE, np.uint8)
    mask = np.full(LARGE, 255, np.uint8)
    size = f"{LARGE:,} bytes, every byte read or written counted"

    def case(name: str, passes: int, run: Callable[[], object]) -> Case[None]:
        return Case(name, "GB", passes * LARGE / 1e9, lambda _: run(), lambda: None, size)

    memcpy, dense, *others = measure_all(
        case("memcpy, all traffic", 2, partial(np.copyto, one, other)),
        case("dense merge", 4, partial(merge_dense, one, 0, LARGE, other, mask, 0)),
        case("copy", 2, partial(page_memory.copy_page, one, 0, other, 0, LARGE)),
        case("compare, equal", 2, partial(page_memory.compare_pages, one, 0, other, 0, LARGE)),
        case("zero", 1, partial(page_memory.zero_page, mask, 0, LARGE)),
    )
    return [memcpy, dense, *others, times("dense merge / memcpy", dense, memcpy, at_least=0.7)]


@dataclass(frozen=True)
class Changes:
    """As merge_pages takes them; `counts` are those of each change."""

    counts: Array
    bounds: Array
    places: Array
    words: Array
    values: Array
    mask: Array


def changes_of(density: float, rng: np.random.Generator) -> Changes:
    """Changes at random places, whose sizes are as close to the density as whole words can be, and meet it together."""
    bounds = np.round(np.arange(CHANGES + 1) * WORDS * density / 100).astype(np.int64)
    counts = np.diff(bounds)
    places: Array = np.concatenate([_some_places(int(count), rng) for count in counts])
    words = rng.integers(0, 2**64, len(places), np.uint64)
    values, mask = np.zeros((CHANGES, WORDS), np.uint64), np.zeros((CHANGES, WORDS), np.uint64)
    owners = np.repeat(np.arange(CHANGES), counts)
    values[owners, places], mask[owners, places] = words, 2**64 - 1
    return Changes(counts, bounds, places, words, values.reshape(-1).view(np.uint8), mask.reshape(-1).view(np.uint8))


def _some_places(count: int, rng: np.random.Generator) -> Array:
    places = rng.choice(WORDS, count, replace=False)
    places.sort()
    return places


def sweep(name: str, pages: Array, starts: Array, rng: np.random.Generator) -> tuple[list[Figure], Panel]:
    """Both ways and the dispatcher's at every density, and how far it is from the better one at worst."""
    ways = {"sparse": NEVER, "dense": 0, "dispatched": DENSE_FROM}
    per_page: dict[str, list[float]] = {way: [] for way in ways}
    figures: list[Figure] = []
    excess: list[float] = []
    for density in DENSITIES:
        changes = changes_of(density, rng)
        changed = 8 * PAGES * changes.counts.mean()
        choice = "dense" if is_dense_at(changes) else "sparse"
        condition = f"{name} pages of {PAGE:,} bytes, taken: {choice}"
        runs = [
            Case(
                f"merge {way}, {density:g} %, {name}",
                "changed byte",
                changed,
                partial(merge_all, pages, starts, changes, dense_from),
                lambda: None,
                condition,
                in_ns=True,
            )
            for way, dense_from in ways.items()
        ]
        found = measure_all(*runs)
        for way, measured in zip(ways, found, strict=True):
            per_page[way].append(measured.minimum * changed / PAGES)
        sparse, dense, dispatched = found
        figures.append(dispatched)
        excess.append(excess_of(dispatched, sparse, dense))
    figures.append(figure(f"dispatched / better way, {name}, worst density", "×", [max(excess)], at_most=1.10))
    return figures, Panel(f"{name} pages", DENSITIES, per_page["sparse"], per_page["dense"], per_page["dispatched"])


def excess_of(dispatched: Figure, sparse: Figure, dense: Figure) -> float:
    """From the fastest of the repeats: what others do on the machine only ever adds."""
    return dispatched.minimum / min(sparse.minimum, dense.minimum)


def is_dense_at(changes: Changes) -> bool:
    count = int(np.median(changes.counts))
    return 100 * count >= DENSE_FROM * WORDS


def merge_all(pages: Array, starts: Array, changes: Changes, dense_from: int, _: None) -> None:
    which = np.arange(len(starts)) % CHANGES
    c = changes
    merge_pages(pages, starts, PAGE, which, c.bounds, c.places, c.words, c.values, c.mask, dense_from)


def apply_figures(pages: Array, places: dict[str, Array], rng: np.random.Generator) -> list[Figure]:
    """Deltas that change words at random places of each page, in the form that the encoder gives them."""
    cases: list[Case[None]] = []
    for name, starts in places.items():
        for shape, sizes in SHAPES.items():
            for size in sizes:
                kind, payloads, ats = payloads_of(shape, size // 8, rng)
                cases.append(
                    Case(
                        f"apply {size:,} B {shape}, {name}",
                        "changed byte",
                        size * len(starts),
                        partial(_apply, pages, starts // 8, payloads, ats, int(kind)),
                        lambda: None,
                        f"{kind.name.lower()}, {name} pages of {PAGE:,} bytes" + ", random order" * (name == "cold"),
                        at_most=2 if name == "cold" else None,
                        in_ns=True,
                    )
                )
    return measure_all(*cases)


def _apply(pages: Array, starts: Array, payloads: Array, ats: Array, kind: int, _: None) -> None:
    apply_all(pages, starts, WORDS, payloads, ats, kind)


def payloads_of(shape: str, changed: int, rng: np.random.Generator) -> tuple[DeltaKind, Array, Array]:
    """Payloads of one kind behind each other, and where each begins."""
    made = [payload_of(shape, changed, rng) for _ in range(CHANGES)]
    kinds = {kind for kind, _ in made}
    assert len(kinds) == 1, "one kind for all of a figure"
    ats = np.cumsum([0, *(len(payload) for _, payload in made[:-1])])
    return kinds.pop(), np.frombuffer(b"".join(payload for _, payload in made), np.uint8), ats


def payload_of(shape: str, changed: int, rng: np.random.Generator) -> tuple[DeltaKind, bytes]:
    after = np.zeros(WORDS, np.uint64)
    row = np.arange(changed) + rng.integers(0, WORDS - changed + 1)
    at = _some_places(changed, rng) if shape == SCATTERED else row
    after[at] = 7 if shape == EQUAL else rng.integers(1, 2**63, changed, np.uint64)
    return change(bytes(PAGE), after.tobytes())


def allocation_figures() -> list[Figure]:
    """Single calls, with the call from Python and the clock in them; and many pages by one call."""
    figures: list[Figure] = []
    for name, touched in (("warm", True), ("first touch", False)):
        rounds = [np.array(single_allocations(touched)) for _ in range(1 + ROUNDS)][1:]
        condition = f"{SLOT:,} B, {name}; one call from Python each, which is in it"
        limits: tuple[tuple[float, str, float | None], ...] = ((50, "median", 1000), (99, "p99", None))
        for share, label, limit in limits:
            samples = [float(np.percentile(taken, share)) for taken in rounds]
            figures.append(
                figure(f"allocate a page, {name}, {label}", "ns", samples, condition=condition, at_most=limit)
            )
    cases = [
        Case(
            f"allocate pages, {name}",
            "page",
            ALLOCATED,
            lambda made: allocate_all(*made),
            partial(arena, touched),
            f"{SLOT:,} B, {name}; {ALLOCATED:,} by one call",
            at_most=1000 if touched else None,
            in_ns=True,
        )
        for name, touched in (("warm", True), ("first touch", False))
    ]
    return [*figures, *measure_all(*cases)]


def arena(touched: bool) -> tuple[Array, Array, int, Array]:
    """Index, arena, words of a slot, keys; one never touched has no memory yet, which comes in 4 KiB."""
    pages = ArrayPageType(1, SLOT // 8 - 2, np.uint64(SEED))
    pages.reserve(ALLOCATED)
    pages.arena = np.frombuffer(mmap.mmap(-1, pages.arena.nbytes), np.uint64)
    if touched:
        pages.arena.fill(3)
    return pages.index, pages.arena, pages.stride, np.random.default_rng(SEED).integers(0, 2**63, ALLOCATED, np.uint64)


def single_allocations(touched: bool) -> list[int]:
    progress("allocate single pages")
    index, slots, stride, keys = arena(touched)
    taken: list[int] = []
    clock = time.perf_counter_ns
    for at in range(ALLOCATED):
        started = clock()
        allocate(index, slots, stride, keys, at)
        taken.append(clock() - started)
    return taken


if __name__ == "__main__":
    main()
