"""The kernel's counters: read, without gauges, and compared."""

from pathlib import Path

from netem.observe.kernel_counters import difference, parse, read

SNMP = """\
Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 14019878
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens CurrEstab InSegs RetransSegs
Tcp: 1 200 120000 -1 57701 4 13954065 2232
"""
NETSTAT = """\
TcpExt: TCPWinProbe TCPToZeroWindowAdv TCPFromZeroWindowAdv
TcpExt: 7 3 2
IpExt: InNoRoutes
IpExt: 0
"""


def test_names_are_those_of_nstat_and_gauges_are_left_out() -> None:
    assert parse(SNMP) == {"TcpActiveOpens": 57701, "TcpInSegs": 13954065, "TcpRetransSegs": 2232}
    assert parse(NETSTAT) == {"TcpExtTCPWinProbe": 7, "TcpExtTCPToZeroWindowAdv": 3, "TcpExtTCPFromZeroWindowAdv": 2}


def test_a_table_whose_lines_do_not_match_is_left_out() -> None:
    assert parse("TcpExt: A B\nTcpExt: 1\nTcp: InSegs\nTcp: 5\n") == {"TcpInSegs": 5}
    assert parse("TcpExt: A B\n") == {}


def test_both_files_count_and_a_missing_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "snmp").write_text(SNMP)
    (tmp_path / "netstat").write_text(NETSTAT)
    both = read((tmp_path / "snmp", tmp_path / "netstat"))
    assert (both["TcpRetransSegs"], both["TcpExtTCPWinProbe"]) == (2232, 7)
    assert read((tmp_path / "missing", tmp_path / "netstat")) == parse(NETSTAT)


def test_the_difference_holds_only_counters_that_changed() -> None:
    before = {"TcpInSegs": 5, "TcpExtTCPWinProbe": 1, "TcpOutRsts": 2}
    after = {"TcpInSegs": 9, "TcpExtTCPWinProbe": 1, "TcpOutRsts": 3, "TcpExtNew": 4}
    assert difference(before, after) == {"TcpInSegs": 4, "TcpOutRsts": 1}
