import json

import pytest

from testbed.run.sidecar import SidecarState


def after(*events: dict[str, object]) -> SidecarState:
    state = SidecarState()
    for event in events:
        state.feed(json.dumps(event))
    return state


def test_from_link_to_stopped() -> None:
    state = after(
        {"event": "link", "engine": "user"},
        {"event": "verified", "rtt_ms": {}},
        {"event": "ready"},
        {"event": "listening", "families": ["ipv4"]},
        {"event": "listening", "families": ["ipv6"]},
        {"event": "progress", "bytes_written": 5, "bytes_read": 3, "connections": 1},
    )
    assert state.ready
    assert state.listening == {"ipv4", "ipv6"}
    assert (state.bytes_written, state.bytes_read, state.connections) == (5, 3, 1)
    state.feed('{"event": "idle"}')
    state.feed('{"event": "stopped", "counters": {}}')
    assert (state.connections, state.idles) == (0, 1)
    assert set(state.recorded) == {"link", "verified", "stopped"}


@pytest.mark.parametrize("line", ["", "garbage", "[]", "3", '{"no": "event"}', '{"event": 3}', '{"event": "unknown"}'])
def test_a_line_that_is_no_event_changes_nothing(line: str) -> None:
    state = SidecarState()
    state.feed(line)
    state.events = 0
    assert state == SidecarState()


def test_an_error_has_its_hint() -> None:
    assert SidecarState().failure == ("", "")
    state = after({"event": "error", "attempt": "open TAP", "message": "denied", "hint": "add NET_ADMIN"})
    assert state.failure == ("open TAP: denied", "add NET_ADMIN")
    assert after({"event": "error", "message": "odd"}).failure == ("odd", "")
