from testbed.analysis.events import parse_log
from testbed.report.chart import ASCII
from testbed.report.text import matrix_line, matrix_lines, requested_lines, result_lines, verdict
from testbed.result import Finding, Link, Metrics, Result, Rtt
from testbed.scenario.model import Cell


def result(**changes: object) -> Result:
    metrics = Metrics(
        bytes_written=255204,
        bytes_read=255204,
        duration_s=31.25,
        goodput_bytes_per_s=8166.5,
        write_calls=26,
        write_s=0.0004,
        write_blocked_s=0.0,
        write_longest_s=0.0001,
        read_calls=32,
        read_delay_total_s=31.0,
        rtt_ms=Rtt(min=0.1, median=0.2, max=0.9, samples=20),
    )
    facts: dict[str, object] = {
        "run": "r",
        "cell": "c",
        "status": "passed",
        "reason": "",
        "requested": {},
        "link": {"client": Link(engine="user", requested="", readback="")},
        "metrics": metrics,
        "timing_reliable": True,
        "checks": [],
        "findings": [],
        "notes": [],
    }
    return Result(**(facts | changes))  # type: ignore[arg-type]


def requested(given: dict[str, object]) -> str:
    cell = Cell.model_validate(given)
    impairment = {"client": cell.impairment("client"), "server": cell.impairment("server")}
    return "\n".join(requested_lines(cell.requested(), impairment, cell.total_bytes, given))


def test_what_was_requested_echoes_what_sizes_come_to() -> None:
    text = requested({"chunk": "10k", "delay": "1s", "rcvbuf": "8192", "nodelay": "1", "repeat": "2"})
    assert "chunk 10k = 10240 bytes, TCP_NODELAY" in text
    assert "read size 8192 bytes, read delay 1s, SO_RCVBUF 8192 bytes" in text
    assert "2 lists of 200 nodes" in text
    assert "510 408 B in all" in text


def test_what_was_requested_names_the_guests_kernel_if_there_is_one() -> None:
    assert "over ipv4, under kernel sid\n" in requested({"kernel": "sid"})
    assert "kernel" not in requested({})


def test_a_latency_shows_that_it_is_each_way() -> None:
    text = requested({"latency": "20ms"})
    assert "each way: delay 20ms; RTT +40 ms; engine auto, seed 0" in text


def test_two_different_directions_are_distinguished() -> None:
    text = requested({"netem_client": "loss 1%"})
    assert "client to server: loss 1%; server to client: unimpaired; engine auto, seed 0" in text


def test_what_happened() -> None:
    finding = Finding(name="x", sentence="The sender was done 31.2 s before the receiver.")
    text = "\n".join(result_lines(result(findings=[finding], notes=["one"]), {}, ASCII))
    assert "engine user, round trip 0.2 ms (min 0.1, max 0.9, 20 probes)" in text
    assert "255 204 B in 26 writes, the last one accepted after 400 µs" in text
    assert "never, the longest write took 100 µs" in text
    assert "255 204 B in 32 reads, the last one after 31.25 s, read delays 31 s in all" in text
    assert "8.17 kB/s" in text
    assert "The sender was done 31.2 s before the receiver." in text
    assert "note: one" in text


def test_a_long_round_trip_is_written_out() -> None:
    metrics = Metrics(rtt_ms=Rtt(min=2000.1, median=2013.7, max=16_480.0, samples=20))
    text = "\n".join(result_lines(result(metrics=metrics), {}, ASCII))
    assert "round trip 2010 ms (min 2000, max 16500, 20 probes)" in text


def test_one_is_not_many() -> None:
    text = requested({"nodes": "1", "content": "1", "chunk": "1", "repeat": "2"})
    assert "2 lists of 1 node, content 1 byte: " in text
    assert "chunk 1 byte\n" in text + "\n"
    metrics = Metrics(
        bytes_written=4,
        bytes_read=4,
        duration_s=0.1,
        write_calls=1,
        write_s=0.01,
        read_calls=1,
        rtt_ms=Rtt(min=1, median=1, max=1, samples=1),
    )
    text = "\n".join(result_lines(result(metrics=metrics), {}, ASCII))
    assert "4 B in 1 write, the last one" in text
    assert "4 B in 1 read, the last one" in text
    assert "1 probe)" in text


def test_nothing_measured_is_no_error() -> None:
    lines = result_lines(result(metrics=Metrics(), link={}), {}, ASCII)
    assert lines == ["  link      round trip not measured"]


def test_the_picture_is_there_when_both_ends_have_logs() -> None:
    log = parse_log(["write,0,10,100,100", "read,5,1000,100,100"])
    lines = result_lines(result(), {"write": log.of("write"), "read": log.of("read")}, ASCII)
    assert any(line.strip().startswith("100 B |") for line in lines)


def test_findings_about_others_are_left_out_when_nothing_was_sent() -> None:
    findings = [
        Finding(name=name, sentence=f"It is {name}.") for name in ("capture-trust", "context", "retransmissions")
    ]
    died = result(status="failed", reason="it died", metrics=Metrics(), findings=findings)
    assert [line for line in result_lines(died, {}, ASCII) if " It is " in line] == ["  - It is retransmissions."]
    broke_off = result(status="failed", reason="it died", findings=findings)
    assert sum(" It is " in line for line in result_lines(broke_off, {}, ASCII)) == 3


def test_a_busy_host_is_reported() -> None:
    lines = result_lines(
        result(timing_reliable=False, timing_issues=["61 % of the time something waited for a CPU"]), {}, ASCII
    )
    assert any("61 % of the time" in line for line in lines)


def test_verdict_and_line_of_a_matrix() -> None:
    bad = result(status="failed", reason="it died\nits last lines")
    assert verdict(result()) == "passed"
    assert verdict(bad) == "failed: it died\nits last lines"
    assert matrix_line(3, 12, bad).startswith(" 3/12  failed      c ")
    assert matrix_line(3, 12, bad).endswith("it died")
    assert "\n" not in matrix_line(3, 12, bad)


def test_many_cells_show_timing_issues_too() -> None:
    busy = result(verdict="It was slow.", timing_issues=["93 % of the time"], notes=["a capture is not complete"])
    assert matrix_lines(1, 2, busy) == [
        matrix_line(1, 2, busy),
        "    It was slow.",
        "    Timing unreliable: 93 % of the time.",
        "    note: a capture is not complete",
    ]
    assert matrix_lines(1, 2, result()) == [matrix_line(1, 2, result())]


GUEST = {"kernel": "6.12.107-amd64", "accelerator": "tcg", "emulated": True}


def test_times_of_an_emulated_machine_are_marked() -> None:
    emulated = result(machine=GUEST, emulated=True)
    assert "  machine   kernel 6.12.107-amd64 in a guest, emulated: its times" in "\n".join(
        result_lines(emulated, {}, ASCII)
    )
    assert matrix_line(1, 2, emulated).endswith("  emulated")
    with_kvm = result(machine=GUEST | {"accelerator": "kvm", "emulated": False})
    assert result_lines(with_kvm, {}, ASCII)[0] == "  machine   kernel 6.12.107-amd64 in a guest (kvm)"
    assert "emulated" not in matrix_line(1, 2, with_kvm)
    assert not any("machine" in line for line in result_lines(result(), {}, ASCII))


def test_a_line_about_a_cell_fits_the_terminal() -> None:
    name = "c-py-ipv4-nodes_80-d95a25"
    for made in (result(cell=name), result(cell=name, attempt=2)):
        assert len(matrix_line(7, 40, made, 80)) <= 80
        assert name in matrix_line(7, 40, made, 40), "a name is never cut"


def test_a_long_reason_has_lines_of_its_own() -> None:
    reason = "waited 2 s for the client to exit; server-netem is running, client-netem is running"
    bad = result(status="error", reason=f"{reason}\nits last lines")
    first, *rest = matrix_lines(1, 2, bad, 80)
    assert first == matrix_line(1, 2, result(status="error"), 80)
    assert " ".join(line.strip() for line in rest[:2]) == reason
    assert all(line.startswith("    ") and len(line) <= 80 for line in rest[:2])
    assert matrix_lines(1, 2, bad, 200)[0].endswith(reason)
