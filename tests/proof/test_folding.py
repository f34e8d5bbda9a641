"""What a writer wrote, folded by compiled code: the same as folded by the plain fold, and by the model's."""

from collections.abc import Iterator

import pytest

from mmsb.processors.bundle import Bundle
from mmsb.processors.writer import Entry
from mmsb.state.array_fold import ArrayFold
from mmsb.state.fold import Fold
from tests.model import fold as model_fold
from tests.proof.agreement import NONCE, Case, agree, check_folds, fold_view, loaded, make_case
from tests.proof.test_compiled import CHECKED, PLAIN, PYTEST, child
from tests.proof.ways import INTERPRETED

SEEDS = range(0, 60, 10)
CUTS = (7, 8192)


def entries_of(case: Case, bundle: Bundle, cut: int) -> Iterator[Entry]:
    """The TLog of a writer that steps interpreted, without its genesis."""
    writer = INTERPRETED.writer(bundle, Fold(case.genesis.pack()), NONCE)
    claim = writer.claim()
    writer.read(1, claim.key, claim.value)
    yield claim
    for start in range(0, len(case.records), cut):
        entry, _ = writer.step(case.records.slice(start, min(start + cut, len(case.records))))
        yield entry
        writer.read(writer.fold.next, entry.key, entry.value)


def check_folding(seed: int, cut: int) -> None:
    case = make_case(seed, 60)
    folds, reader = (Fold(case.genesis.pack()), ArrayFold(case.genesis.pack())), model_fold.Fold()
    reader.feed(b"genesis", case.genesis.pack())
    with loaded(case.description) as bundle:
        for entry in entries_of(case, bundle, cut):
            where = f"seed {seed}, cut {cut}, TLog offset {folds[0].next}"
            agree("verdict", reader.feed(entry.key, entry.value), model_fold.ACCEPTED, where)
            for fold in folds:
                agree("verdict", fold.read(fold.next, entry.key, entry.value).accepted, True, where)
            agree("view", fold_view(folds[1]), fold_view(folds[0]), where)
    check_folds(case, folds[1], reader, f"seed {seed}, cut {cut}")
    folds[1].state.check()


@pytest.mark.guards(3, 5)
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("start", SEEDS)
def test_logs_of_random_applications_are_folded_alike(start: int, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ArrayFold, "_apply", None)  # whatever is not folded by compiled code fails
    for seed in range(start, start + 10):
        check_folding(seed, cut)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [pytest.param(PLAIN, id="plain"), pytest.param(CHECKED, id="checked")])
def test_folding_compiled_and_checked_and_as_plain_python_is_the_same(flags: dict[str, str]) -> None:
    files = ("tests/state/test_array_fold.py", "tests/state/test_arrays.py", "tests/proof/test_forged_blocks.py")
    said = child(flags, *PYTEST, *files)
    assert " passed" in said
