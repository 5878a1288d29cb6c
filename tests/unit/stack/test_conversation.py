import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import HostError
from testbed.stack.conversation import Frames, conversation
from testbed.stack.ports import Conversation, Exit, Stream

NUMBERS: dict[Stream, int] = {"stdout": 1, "stderr": 2}
streams: st.SearchStrategy[Stream] = st.sampled_from(["stdout", "stderr"])


def frame(stream: Stream, data: bytes) -> bytes:
    return struct.pack(">BxxxL", NUMBERS[stream], len(data)) + data


@given(st.lists(st.tuples(streams, st.binary())), st.integers(1, 40))
def test_frames_are_found_however_they_arrive(wanted: list[tuple[Stream, bytes]], block: int) -> None:
    data = b"".join(frame(*each) for each in wanted)
    frames = Frames()
    found = [each for start in range(0, len(data), block) for each in frames.feed(data[start : start + block])]
    assert found == wanted


class Lab:
    def __init__(self, ours: socket.socket, engine: socket.socket) -> None:
        self.engine = engine
        self.output: list[tuple[Stream, bytes]] = []
        self.made: Conversation = conversation(
            "c", ours, lambda stream, data: self.output.append((stream, data)), lambda: Exit(3)
        )


@pytest.fixture
def lab() -> Iterator[Lab]:
    ours, engine = socket.socketpair()
    with ours, engine:
        yield Lab(ours, engine)


def test_output_until_the_container_ends(lab: Lab) -> None:
    lab.engine.sendall(frame("stdout", b"a") + frame("stderr", b"b"))
    lab.engine.shutdown(socket.SHUT_WR)
    assert lab.made.follow() == Exit(3)
    assert lab.output == [("stdout", b"a"), ("stderr", b"b")]


def test_input_has_no_frames(lab: Lab) -> None:
    lab.made.send(b"line\n")
    assert lab.engine.recv(100) == b"line\n"


def test_the_end_of_the_input_wakes_the_reader(lab: Lab) -> None:
    exits: list[Exit] = []
    thread = threading.Thread(target=lambda: exits.append(lab.made.follow()))
    thread.start()
    lab.made.close()
    thread.join(30)
    assert exits == [Exit(3)]
    assert lab.engine.recv(100) == b""
    lab.made.close()


def test_a_lost_connection_is_an_error_that_names_the_attempt(lab: Lab) -> None:
    lab.engine.close()
    with pytest.raises(HostError, match="write to c: "):
        lab.made.send(b"line\n")
