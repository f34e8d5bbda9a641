"""A fold over a state of which a part is in a store: what a record needs is brought before it is read."""

from collections.abc import Generator
from contextlib import contextmanager

from mmsb.schemas.errors import MmsbError
from mmsb.schemas.tlog.blocks import FIXED, unpack_block_header
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.state.fold import Fold, Verdict
from mmsb.state.home.home import Home


def fold_at_home(fold: Fold, home: Home, key: bytes | None, value: bytes | None) -> Verdict:
    """Fold the next record."""
    verdict = read_at_home(fold, home, key, value)
    if verdict.value is not None:
        note_changed(home, verdict.value)
    return verdict


def read_at_home(fold: Fold, home: Home, key: bytes | None, value: bytes | None) -> Verdict:
    """Let the fold read the next record; what a block changed is not noted yet."""
    with brought(fold, home, value):
        return fold.read(fold.next, key, value)


@contextmanager
def brought(fold: Fold, home: Home, value: bytes | None) -> Generator[None]:
    """While the fold reads the next record: what that needs is in memory."""
    if value is not None and not home.is_whole:
        _bring(fold, home, value)
    if not fold.pending:
        yield
        return
    with converting(fold, home):
        yield


def note_changed(home: Home, value: bytes) -> None:
    """The state has the effects of a block that counts."""
    header = unpack_block_header(value)
    assert header is not None, "a block that counts has a header"
    home.changed(memoryview(value)[FIXED.size :], header.last - header.first + 1)


@contextmanager
def converting(fold: Fold, home: Home) -> Generator[None]:
    """While a migrate record may be folded: all pages of the types that it converts are in memory."""
    pending = dict(fold.pending)
    known = fold.state.layouts
    for name in pending:
        home.bring_type(known[name].type_id)
    yield
    for name, layout in pending.items():
        if name not in fold.pending and fold.state.layout_of(layout.type_id) is not None:
            home.converted(layout.type_id)


def _bring(fold: Fold, home: Home, value: bytes) -> None:
    """What is wrong with a record, the fold says; what is wrong with a row, nobody else would."""
    try:
        if peek(value) not in (TlogKind.BLOCK, TlogKind.QUARANTINE):
            return
        header = unpack_block_header(value)
        if header is None or header.reign != fold.reign or header.first != fold.settled + 1:
            return
        named = home.buckets_changed(memoryview(value)[FIXED.size :], header.last - header.first + 1)
    except (MmsbError, ValueError):
        return
    home.bring_buckets(named)
