"""Each planted bug has a place in the code of today: `make test` plants one in six, and the others would drift off."""

import pytest

from tests.planted.bugs import BUGS, Bug
from tests.planted.compiled_bugs import COMPILED_BUGS
from tests.planted.copies import ROOT
from tests.planted.engine_bugs import ENGINE_BUGS
from tests.planted.kafka_bugs import KAFKA_BUGS
from tests.planted.upkeep_bugs import UPKEEP_BUGS

ALL = (*BUGS, *COMPILED_BUGS, *ENGINE_BUGS, *UPKEEP_BUGS, *KAFKA_BUGS)


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: Bug) -> None:
    assert (ROOT / bug.file).read_text("utf-8").count(bug.old) == 1
    assert bug.old != bug.new
