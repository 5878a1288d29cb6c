"""Check the analysis of real cells: the right findings, and none that do not apply."""

import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.pytest_plugin import CellShown
from testbed.result import Finding, Result
from testbed.stack.docker_engine import DockerEngine
from tests.integration.conftest import Command
from tests.support.image_builds import build_image, remove_image

pytestmark = pytest.mark.docker

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "back-pressure"
SMALL = {"sndbuf": 8192, "rcvbuf": 8192}


def findings(result: Result) -> dict[str, Finding]:
    return {finding.name: finding for finding in result.findings}


def number(result: Result, finding: str, name: str) -> float:
    return float(findings(result)[finding].facts[name])


def good(shown: CellShown) -> Result:
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    return shown.result


def test_small_buffers_close_the_window_and_block_the_writes(
    testbed_cell: Callable[..., CellShown], family: str
) -> None:
    result = good(testbed_cell(client="c", server="c", family=family, nodes=60, chunk=1000, delay="200ms", **SMALL))
    assert result.verdict.startswith("The receiver reads too slowly")
    assert "write() was blocked for" in result.verdict
    assert number(result, "window-closed", "closed_share") > 0.3
    assert result.metrics.first_zero_window_s is not None
    held, predicted = (number(result, "write-blocked", name) for name in ("held_max_bytes", "predicted_bytes"))
    assert held == pytest.approx(predicted, rel=0.25)
    assert number(result, "sender-limit", "receive_window_share") > 0.6
    assert number(result, "read-rate", "observed_bytes_per_s") == pytest.approx(
        number(result, "read-rate", "predicted_bytes_per_s"), rel=0.2
    )
    conservation = findings(result)["conservation"]
    assert conservation.sentence.startswith("The instruments agree"), conservation
    assert number(result, "conservation", "stalled_states") >= 3
    assert findings(result)["back-pressure"].sentence.startswith("Back-pressure is respected")


def test_the_predictions_for_a_slow_reader_hold(testbed_cell: Callable[..., CellShown]) -> None:
    """A part of the exercise: small buffers, writes of 100 B, a read of 8192 B per second.

    Of 1 300 000 B the reference run had 89 zero-window periods (one for 14 480 B), three probes in each, 7208 B/s, and
    the window limited the sender all the time.
    """
    result = good(testbed_cell(client="c", server="c", nodes=70, chunk=100, delay="1s", **SMALL))
    total = 4 + 70 * 1276
    periods = number(result, "window-closed", "periods")
    assert periods == pytest.approx(total / 14_480, abs=2)
    assert number(result, "window-probes", "probes") / periods == pytest.approx(3, abs=0.75)
    assert number(result, "window-closed", "closed_share") > 0.8
    assert number(result, "sender-limit", "receive_window_share") > 0.95
    assert number(result, "read-rate", "predicted_bytes_per_s") == pytest.approx(7240, rel=0.02)
    assert number(result, "read-rate", "observed_bytes_per_s") == pytest.approx(7240, rel=0.1)
    assert number(result, "write-blocked", "held_max_bytes") == pytest.approx(29_553, rel=0.1)
    assert number(result, "segmentation", "writes_per_frame") > 15


def test_large_buffers_accept_the_writes_while_the_window_is_closed_and_probed(
    testbed_cell: Callable[..., CellShown],
) -> None:
    shown = testbed_cell(family=["ipv4", "ipv6"], client="c", server="c", delay="100ms", chunk=100)
    assert [result.status for result in shown.report.results] == ["passed", "passed"]
    for result in shown.report.results:
        assert result.verdict.startswith("The receiver reads too slowly")
        assert re.search(
            r"Yet (no write\(\) was blocked|write\(\) was hardly blocked .*?): all 255 204 B", result.verdict
        )
        assert number(result, "window-closed", "closed_share") > 0.6
        probes, expected = (number(result, "window-probes", name) for name in ("probes", "expected_probes"))
        periods = number(result, "window-probes", "periods")
        assert abs(probes - expected) <= max(1, periods)
        assert number(result, "segmentation", "writes_per_segment") > 5
        assert number(result, "write-blocked", "predicted_low_bytes") > 255_204
        assert findings(result)["conservation"].sentence.startswith("The instruments agree")
    pair = findings(shown.report.results[1])["family-pair"]
    assert pair.sentence.startswith("Over IPv4 the same cell has the same verdict"), pair


def test_a_fast_reader_is_not_the_cause(testbed_cell: Callable[..., CellShown], family: str) -> None:
    # 57 424 bytes fit into the first window, so that it cannot close however late the reader is on a busy machine.
    result = good(testbed_cell(client="c", server="c", family=family, nodes=45, chunk=1000))
    assert "reads too slowly" not in result.verdict
    assert not {"window-closed", "window-probes", "window-reopening", "back-pressure"} & findings(result).keys()
    assert "write-blocked" in {each.name for each in result.not_reported if each.observable}


def test_a_slow_network_is_the_cause(testbed_cell: Callable[..., CellShown], family: str) -> None:
    result = good(testbed_cell(family=family, netem="rate 2mbit"))
    assert result.verdict.startswith("The network limits the transfer")
    assert findings(result)["sender-limit"].facts["limited_by"] == "network"
    assert not {"window-closed", "window-probes", "read-rate"} & findings(result).keys()


def test_loss_without_zero_window(testbed_cell: Callable[..., CellShown], family: str) -> None:
    result = good(testbed_cell(family=family, netem_client="loss 15%", latency="5ms"))
    again = findings(result)["retransmissions"]
    assert int(again.facts["retransmissions"]) > 0
    assert int(again.facts["lost_on_link"]) > 0
    assert not {"window-closed", "window-probes"} & findings(result).keys()
    assert "reads too slowly" not in result.verdict


def one_list(nodes: int) -> bytes:
    """Return the list that a client sends, without content."""
    made = struct.pack("<i", nodes)
    for index in range(nodes):
        following = index + 1 if index + 1 < nodes else -1
        title = f"Book by {index}".encode().ljust(255, b"\0")
        made += struct.pack("<iih2xI", index, following, 2 * index, 3 * index) + title + b"\0" + struct.pack("<I", 0)
    return made


def test_a_slow_program_is_the_cause(
    testbed_cell: Callable[..., CellShown], script_image: Callable[[str, str], str], family: str
) -> None:
    nodes = 8
    stream = one_list(nodes)
    pieces = [stream[at : at + 280] for at in range(0, len(stream), 280)]
    # Bash alone opens connections by itself; each printf is one write.
    sends = "\n".join("printf '" + "".join(f"\\{byte:03o}" for byte in piece) + "' >&3; sleep 0.15" for piece in pieces)
    image = script_image(
        f"slow-sender-{family}", f"exec bash -c \"$(cat <<'END'\nexec 3<>/dev/tcp/server/8888\n{sends}\nEND\n)\""
    )
    result = good(testbed_cell(client=image, family=family, nodes=nodes, content=0))
    assert result.verdict.startswith("The sending program limits the transfer")
    assert number(result, "sender-limit", "application_share") > 0.8
    assert not {"window-closed", "window-probes", "write-blocked"} & findings(result).keys()
    unobservable = {each.name for each in result.not_reported if not each.observable}
    assert {"write-blocked", "segmentation"} <= unobservable  # it leaves no log


PRESSED: dict[str, Any] = {"nodes": 1000, "content": 10_000, "chunk": 1000, "delay": "2ms", **SMALL}
"""Enough bytes that they accumulate for longer than a memory sample can be late on a busy machine."""


@pytest.fixture(scope="module")
def images_without_log(testbed_engine: DockerEngine, image_tag: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """Provide the example of back-pressure, right and wrong, without its event log."""
    tags = {}
    for drain in ("0", "1"):
        tags[drain] = image_tag(f"no-log-{drain}")
        dockerfile = (EXAMPLE / "Dockerfile").read_text().replace("ARG DRAIN=1", f"ARG DRAIN={drain}")
        files = {
            "Dockerfile": dockerfile.replace('["python3"', '["env", "TESTBED_EVENTS=", "python3"').encode(),
            "client.py": (EXAMPLE / "client.py").read_bytes(),
        }
        build_image(testbed_engine, tags[drain], files)
    yield tags
    for tag in tags.values():
        remove_image(tag)


PERL = r"""exec perl -MIO::Socket::IP -e '
my ($n, $c) = @ENV{"TESTBED_NODES", "TESTBED_CONTENT_BYTES"};
my $s = IO::Socket::IP->new(PeerHost => "server", PeerPort => 8888,
    Family => $ENV{TESTBED_FAMILY} eq "ipv6" ? AF_INET6 : AF_INET) or die;
sub put { my $b = shift; while (length $b) { my $w = syswrite($s, $b) or die; substr($b, 0, $w) = "" } }
put(pack("l<", $n));
for my $i (0 .. $n - 1) {
    put(pack("l<l<s<x2L<a255xL<", $i, $i + 1 < $n ? $i + 1 : -1, 2 * $i, 3 * $i, "Book by $i", $c) . ("a" x $c));
}
shutdown($s, 1); 1 while sysread($s, my $rest, 65536);
'"""


def test_back_pressure_is_judged_by_memory_where_there_is_no_log(
    testbed_cell: Callable[..., CellShown], images_without_log: dict[str, str], script_image: Callable[[str, str], str]
) -> None:
    found = {}
    foreign = script_image("perl-client", PERL)
    for name, client in (("wrong", images_without_log["0"]), ("right", images_without_log["1"]), ("foreign", foreign)):
        result = good(testbed_cell(client=client, **PRESSED))
        assert result.verdict.startswith("The receiver reads too slowly"), name
        assert "write-blocked" in {each.name for each in result.not_reported if not each.observable}, name
        found[name] = findings(result)["back-pressure"]
        assert found[name].not_observed == ["what the program reports as written: it left no log"], name
        assert found[name].confidence == "medium", name
    assert found["wrong"].sentence.startswith("Back-pressure is probably not respected"), found
    assert int(found["wrong"].facts["memory_growth_bytes"]) > 1_000_000
    for name in ("right", "foreign"):
        assert found[name].sentence.startswith("Back-pressure is respected"), found


def test_the_commands_print_the_same_findings(command: Command) -> None:
    done = command("run", "--delay", "200ms", "--chunk", "1k", "--nodes", "60", "--sndbuf", "8k", "--rcvbuf", "8k")
    assert done.returncode == 0, done.stderr
    assert "The receiver reads too slowly" in done.stdout
    assert done.stdout.count("\n  - ") == 3
    output = ("--output", str(command.output))
    explained: dict[str, Any] = json.loads(command("explain", *output, "--json").stdout)
    assert explained["verdict"] == command.result()["verdict"]
    assert explained["findings"] == command.result()["findings"]
    shown = command("packets", *output, "--finding", "window-closed", "--end", "server")
    assert shown.returncode == 0
    assert "zero window" in shown.stdout
    again = command("analyze", str(command.cell() / "client" / "capture.pcap"))
    assert again.returncode == 0
    assert "window-closed" in again.stdout
