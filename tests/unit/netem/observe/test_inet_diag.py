import struct
from pathlib import Path

from netem.observe import inet_diag
from netem.observe.inet_diag import CONNECTED, LISTEN, SocketId, decode
from netem.observe.tcp_info import NAMES

VECTOR = Path(__file__).parents[3] / "vectors" / "netem" / "sock_diag_dump.hex"


def recorded() -> bytes:
    lines = VECTOR.read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def test_a_recorded_dump() -> None:
    listener, client, server = decode(recorded()).sockets
    assert (listener.state, listener.id.local_port, listener.connected) == (LISTEN, 8888, False)
    assert listener.id.remote_port == 0
    assert (inet_diag.STATES[server.state], server.id.local_port, server.receive_queue_bytes) == (
        "CLOSE_WAIT",
        8888,
        601,
    )
    assert (inet_diag.STATES[client.state], client.id.remote_port, client.receive_queue_bytes) == (
        "FIN_WAIT2",
        8888,
        50,
    )
    assert server.connected
    assert client.connected
    assert client.id.addresses() == ("127.0.0.1", "127.0.0.1")
    assert client.id.cookie != server.id.cookie
    assert (client.congestion, client.memory[1]) == ("bbr", 131072)
    assert (server.shutdown, client.shutdown) == (1, 2)
    info = dict(zip(NAMES, server.info, strict=False))
    assert (info["bytes_received"], info["bytes_acked"]) == (1001, 50)


def test_a_truncated_dump_gives_only_whole_sockets() -> None:
    data = recorded()
    for length in range(0, len(data), 7):
        assert len(decode(data[:length]).sockets) <= 3
    assert not decode(data).done


def test_done_and_error() -> None:
    done = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)
    assert decode(done) == ([], True, 0)
    refusal = struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -2) + bytes(16)
    assert decode(refusal) == ([], True, 2)


def test_a_time_wait_record_is_not_a_connection() -> None:
    data = bytearray(recorded())
    length = struct.unpack_from("=I", data)[0]
    second = (length + 3) & ~3
    data[second + 16 + 2] = 3  # idiag_timer
    assert decode(bytes(data)).sockets[1].state == inet_diag.TIME_WAIT


def test_requests() -> None:
    dump = inet_diag.dump_request(2, CONNECTED)
    assert struct.unpack_from("=IHHII", dump) == (72, 20, 0x301, 1, 0)
    assert struct.unpack_from("=BBBxI", dump, 16) == (2, 6, 0x4A, CONNECTED)
    raw = bytes(range(48))
    exact = inet_diag.exact_request(SocketId(10, raw))
    assert struct.unpack_from("=IHHII", exact) == (72, 20, 0x1, 1, 0)
    assert exact[24:] == raw


def test_ipv6_addresses() -> None:
    raw = struct.pack("!HH", 80, 9) + bytes(15) + b"\1" + bytes(15) + b"\2" + bytes(12)
    assert SocketId(10, raw).addresses() == ("::1", "::2")
