"""Which planted bugs `make test` plants: one in six, since each takes seconds; `make planted` plants all of them."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.planted.bugs import Bug

IN_EACH: Final = 6


def chosen(bugs: Sequence[Bug], in_each: int = IN_EACH) -> list[Any]:
    """All of them as parameters; those that are left to `make planted` are marked."""
    marks = (() if number % in_each == 0 else (pytest.mark.campaign,) for number in range(len(bugs)))
    return [pytest.param(bug, id=bug.name, marks=mark) for bug, mark in zip(bugs, marks, strict=True)]
