"""What a command says of a submission that failed: whether it may have happened, if that is in doubt, and only then."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mmsb.cli.owner import Owner
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown
from mmsb.streams.serving import address, faults, hello
from mmsb.streams.serving.frames import Frame, Kind, Splitter, encode_frame
from tests.golden.socket_answers import ABOUT

Answers = Callable[[Frame], bytes | None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Answers], Owner]:
    """An owner that says who it is, and then what it is given to say; None ends it."""

    def begin(answers: Answers) -> Owner:
        here, there = socket.socketpair()
        monkeypatch.setattr(address, "reach", lambda folder: here)

        def serve() -> None:
            splitter = Splitter()
            with there:
                while data := there.recv(65_536):
                    for frame in splitter.feed(data):
                        known = frame.kind == Kind.HELLO
                        answer = encode_frame(Kind.HELLO, frame.request, hello.encode_about(ABOUT))
                        said = answer if known else answers(frame)
                        if said is None:
                            return
                        there.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        return Owner(tmp_path)

    return begin


def test_what_the_owner_says_stands_as_it_is(asked: Callable[[Answers], Owner]) -> None:
    said = EnvironmentFailed("nothing was submitted: the brokers are away")
    owner = asked(lambda frame: encode_frame(Kind.FAULT, frame.request, faults.encode_fault(said)))
    with pytest.raises(EnvironmentFailed) as found:
        owner.submit(b"intent", "settled", 5.0)
    assert str(found.value) == str(said)
    owner.close()


def test_an_owner_that_ends_leaves_it_open(asked: Callable[[Answers], Owner]) -> None:
    owner = asked(lambda frame: None)
    with pytest.raises(OutcomeUnknown, match=r"ended meanwhile; .*it may be logged or not"):
        owner.submit(b"intent", "settled", 5.0)
    owner.close()
