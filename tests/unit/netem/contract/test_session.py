import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.contract.errors import SidecarError
from netem.contract.events import EVENT_KINDS, EventStream
from netem.contract.session import (
    PIECE_BYTES,
    Begin,
    Command,
    Reset,
    Signal,
    decode_command,
    decode_reply,
    encode_command,
    encode_piece,
    encode_reply,
    piece_data,
)

commands = st.one_of(st.dictionaries(st.text(), st.text()).map(Begin), st.text().map(Signal), st.builds(Reset))


@given(commands)
def test_a_command_is_one_line_and_comes_back(command: Command) -> None:
    line = encode_command(command)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_command(line) == command


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"begin":3}', b'{"reset":false}', b"\xff", b'{"signal":["a"]}'])
def test_what_is_no_command_is_rejected(line: bytes) -> None:
    with pytest.raises(SidecarError, match="read a command: unknown"):
        decode_command(line)


@given(st.binary(max_size=PIECE_BYTES), st.text())
def test_a_piece_of_a_file_comes_back(data: bytes, name: str) -> None:
    line = encode_piece(name, data)
    assert line.count("\n") == 1
    reply = decode_reply(line)
    assert reply is not None
    assert (reply["session"], reply["name"], piece_data(reply)) == ("file", name, data)


def test_the_longest_piece_fits_into_a_pipe() -> None:
    assert len(encode_piece("endpoint/events.csv", bytes(PIECE_BYTES))) <= 65_536 + 1024


@pytest.mark.parametrize("kind", [kind.name for kind in EVENT_KINDS])
def test_no_event_is_a_reply(kind: str) -> None:
    lines: list[str] = []
    EventStream(lines.append, lambda: 1, lambda: 2).emit(kind, session="x")
    assert decode_reply(lines[0]) is None
    assert decode_reply(encode_reply(kind)) == {"session": kind}
    assert json.loads(lines[0])["event"] == kind
