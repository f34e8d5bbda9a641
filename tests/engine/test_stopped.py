"""What callers hear of what stopped an engine."""

from pathlib import Path

import pytest

import mmsb
from mmsb.schemas.errors import NewerFormat
from mmsb.streams.log.frames import Fault
from mmsb.streams.log.segments import Segment
from mmsb.streams.past.scanning import Damaged
from mmsb.streams.stopped import stopped


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (mmsb.CorruptState("this"), mmsb.CorruptState),
        (Damaged(Segment(Path("log"), 0, 1, 10), Fault(3, "this", "that")), mmsb.CorruptState),
        (NewerFormat("this"), NewerFormat),
        (mmsb.Superseded("this"), mmsb.Superseded),
        (OSError("this"), mmsb.EnvironmentFailed),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_stopped_an_engine_is_told_as_what_it_was(error: Exception, kind: type[Exception]) -> None:
    heard = stopped("the engine has", error)
    assert type(heard) is kind
    assert "the engine has stopped: " in str(heard)
    assert "this" in str(heard)
