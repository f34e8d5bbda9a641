"""Pages that are made of the code are as the code makes them, and whatever is public is described."""

import mmsb
from tests.docs.generate import generated
from tests.docs.reference import GROUPS, undocumented
from tests.docs.tables import blocks, text_of
from tests.project.tree import ROOT


def test_generated_pages_are_up_to_date():
    for path, text in generated().items():
        name = path.relative_to(ROOT)
        assert path.read_text("utf-8") == text, f"{name} is out of date: run `python -m tests.docs.generate`"


def test_every_public_name_is_documented():
    assert undocumented() == []


def test_every_public_name_has_its_place():
    placed = [name for _, names in GROUPS.values() for name in names]

    assert sorted(placed) == sorted(mmsb.__all__)


def test_the_bank_of_the_tutorial_is_the_example():
    assert blocks(text_of("docs/tutorial.md"), "python")[0] == text_of("examples/bank.py")
