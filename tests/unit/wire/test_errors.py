from testbed.wire.errors import REMOTE_ERRORS, ContentCapError, CountCapError, Position, RemoteError, WireError


def test_the_text_names_kind_position_and_field():
    error = ContentCapError(Position(832, 0, 3, "content_length"), "9 is over the cap of 8")
    assert str(error) == "content-cap at byte 832, list 0, node 3, field content_length: 9 is over the cap of 8"
    assert (error.offset, error.list_index, error.node_index, error.field) == (832, 0, 3, "content_length")
    assert str(CountCapError(Position(0, 2, None, "count"), "9")) == "count-cap at byte 0, list 2, field count: 9"


def test_one_family():
    assert all(issubclass(cls, RemoteError) and cls.kind == kind for kind, cls in REMOTE_ERRORS.items())
    assert issubclass(RemoteError, WireError)
