import dataclasses

from netem.observe.rows import COLUMNS, RowWriter, header
from tests.support.sidecar_sockets import tcp_socket


def test_header() -> None:
    assert header() == ",".join(COLUMNS) + "\n"
    assert len(set(COLUMNS)) == len(COLUMNS)


def fields(line: str) -> dict[str, str]:
    assert line.endswith("\n")
    return dict(zip(COLUMNS, line[:-1].split(","), strict=True))


def test_a_whole_row() -> None:
    sample = tcp_socket(77, acked=5, send_queue=3, receive_queue=2)
    row = fields(RowWriter().row(1, 2, sample))
    expected = {
        "monotonic_ns": "1",
        "realtime_ns": "2",
        "cookie": "77",
        "state": "ESTABLISHED",
        "family": "ipv4",
        "local_address": "10.0.0.1",
        "local_port": "40000",
        "remote_address": "10.0.0.2",
        "remote_port": "8888",
        "receive_queue_bytes": "2",
        "send_queue_bytes": "3",
        "congestion": "cubic",
        "rcvbuf": "1",
        "bytes_acked": "5",
    }
    assert {name: row[name] for name in expected} == expected


def test_values_that_the_kernel_did_not_report_are_empty() -> None:
    whole = tcp_socket(1)
    for reported in (0, 1, 40, len(whole.info)):
        row = fields(RowWriter().row(1, 2, dataclasses.replace(whole, info=whole.info[:reported])))
        assert [value != "" for value in list(row.values())[-len(whole.info) :]] == [
            index < reported for index in range(len(whole.info))
        ]
    row = fields(RowWriter().row(1, 2, dataclasses.replace(whole, memory=())))
    assert row["rcvbuf"] == row["drops"] == ""


def test_a_forgotten_connection_is_formatted_again() -> None:
    writer = RowWriter()
    writer.row(1, 2, tcp_socket(1))
    writer.forget(1)
    assert fields(writer.row(1, 2, tcp_socket(1, local_port=9)))["local_port"] == "9"
