"""What measures the home has pages of the sizes that it names, and leaves stores that are sound."""

from pathlib import Path

import pytest

import mmsb
from bench.bench_restart import forget_files
from bench.home_pages import BYTES, Large, Small, at_home, count_of, filled, flush_all
from mmsb.schemas.classes import page_layout_of
from mmsb.state.home.digesting import digest_store


@pytest.mark.parametrize("page", [Small, Large])
def test_pages_have_the_size_that_is_said(page: type[mmsb.Page]) -> None:
    assert 8 * page_layout_of(page).word_count == BYTES[page]


@pytest.mark.parametrize("page", [Small, Large])
def test_a_flush_of_all_pages_leaves_a_sound_store(page: type[mmsb.Page], tmp_path: Path) -> None:
    folder = filled(tmp_path / "data", page, 1)
    with at_home(folder) as opened:
        opened.home.bring_type(page_layout_of(page).type_id)
        assert flush_all(opened, page) > 1_000_000
        _, counts = digest_store(opened.store)  # which holds the digest of all rows against what they say it is
    assert counts[page.__name__] == count_of(page, 1)


def test_what_is_forgotten_by_the_kernel_is_still_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    forget_files(tmp_path)
    assert (tmp_path / "file").read_bytes() == b"content"
